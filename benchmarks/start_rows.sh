# What the scripts whose rows are kept begin with, to be sourced from the project's root.

# start_rows RESULTS NAME: sets `out`, `work`, `shared` and `vitrim`; results that are there are unpacked and not made again.
start_rows() {
  out=$1
  work=build/$2
  shared=${VITRIM_SHARED:-../shared}
  vitrim=${VITRIM_BINARY:-build/release/vitrim}
  [ ! -e "$out/rows.tar.xz" ] || python3 benchmarks/rows.py unpack "$out"
  mkdir -p "$out" "$work"
}
