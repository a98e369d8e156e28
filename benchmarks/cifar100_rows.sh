# The data of the scripts on CIFAR-100, to be sourced from the project's root after start_rows.

# Unpacks build/cifar100/{train,test}.bin.
unpack_cifar100() {
  local part
  mkdir -p build/cifar100
  for part in train test; do
    [ -s "build/cifar100/$part.bin" ] || xz -dkc "$shared/data/cifar100/$part.bin.xz" >"build/cifar100/$part.bin"
  done
}
