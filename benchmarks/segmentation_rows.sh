# Functions that the studies of segmentation share, to be sourced after start_rows; the scripts set `seed` and the flags `common` of every training
# run.

# row NAME COMMAND...: runs one training, unless its result exists.
row() {
  local name=$1 json=$out/$1.seed$seed.json
  shift
  [ -s "$json" ] && return
  echo "== $name, seed $seed"
  "$vitrim" "$@" "${common[@]}" -o "$work/$name.seed$seed.safetensors" --log "$out/$name.seed$seed.jsonl" --json "$json"
}
