# Functions that the scripts on CIFAR-100 share, to be sourced from the project's root; the scripts set `shared`, `vitrim`, `out` and `work`.

# Unpacks build/cifar100/{train,test}.bin.
unpack_cifar100() {
  local part
  mkdir -p build/cifar100
  for part in train test; do
    [ -s "build/cifar100/$part.bin" ] || xz -dkc "$shared/data/cifar100/$part.bin.xz" >"build/cifar100/$part.bin"
  done
}

# train_row NAME COMMAND...: runs one training, unless its result exists.
train_row() {
  local name=$1
  shift
  [ -s "$out/$name.json" ] && return
  echo "== $name"
  "$vitrim" "$@" -o "$work/$name.safetensors" --log "$out/$name.jsonl" --json "$out/$name.json" 2>&1 | tee -a "$work/$name.log"
}
