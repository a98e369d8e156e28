# The beginning of all scripts that keep rows, to be sourced from the project's root.

# start_rows RESULTS NAME: sets `out`, `work`, `shared` and `vitrim`; unpacks existing results, which are not made again.
start_rows() {
  out=$1
  work=build/$2
  shared=${VITRIM_SHARED:-../shared}
  vitrim=${VITRIM_BINARY:-build/release/vitrim}
  [ ! -e "$out/rows.tar.xz" ] || python3 benchmarks/rows.py unpack "$out"
  mkdir -p "$out" "$work"
}

# train_row NAME COMMAND...: runs one training, unless its result exists.
train_row() {
  local name=$1
  shift
  [ -s "$out/$name.json" ] && return
  echo "== $name"
  "$vitrim" "$@" -o "$work/$name.safetensors" --log "$out/$name.jsonl" --json "$out/$name.json" 2>&1 | tee -a "$work/$name.log"
}
