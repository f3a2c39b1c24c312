#!/usr/bin/env bash
# scalekv sample as a person runs it: the same folder whatever the number of processes, shards and deaths; one sentence
# where it cannot be. Usage: run.sh path/to/scalekv [path/to/mpirun [PICTURES]]
set -uo pipefail
scalekv=$(realpath "$1")
mpirun=${2:-}
pictures=${3:-6}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0
# Two processes on however few processors, on this machine only, in a container, perhaps as root.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_plm=isolated
export OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_hwloc_base_binding_policy=none
export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe PRTE_MCA_hwloc_default_binding_policy=none  # Open MPI 5

fault() { echo "FAILED: $*"; failed=1; }

# expect CODE PATTERN COMMAND...: exit code, and a pattern in what it says.
expect() {
  local code=$1 pattern=$2
  shift 2
  timeout 300 "$@" >stdout 2>stderr </dev/null
  local got=$?
  [ $got -eq "$code" ] || fault "exit $got instead of $code: $* $(head -c 400 stderr)"
  grep -qE -- "$pattern" stderr stdout || fault "no '$pattern' from: $* $(head -c 400 stderr)"
  echo "done: $* $(grep -hE -- "$pattern" stderr stdout | head -c 150 | head -n 1)"
}

same() { diff -r "$1" "$2" >/dev/null || fault "$2 is not $1: $(diff -rq "$1" "$2" | head -n 3)"; }

drawn() { find "$1" -name '*.png' 2>/dev/null | wc -l; }

# The processes that draw for $run: its ranks where it is mpirun, in order, or itself.
workers() {
  local ranks
  ranks=$(for process in $(pgrep -P "$run"); do
    sed -z -n "s/^OMPI_COMM_WORLD_RANK=\(.*\)/\1 $process\n/p" "/proc/$process/environ"
  done | tr -d '\0' | sort -n | cut -d ' ' -f 2)
  echo "${ranks:-$run}"
}

# hold FOLDER PICTURES COMMAND...: starts a run, in $run, whose workers stand still with so many pictures drawn or more,
# but not all. One that was faster than we are is thrown away; however fast it is, one comes to stand in time.
hold() {
  local folder=$1 least=$2
  shift 2
  for ((attempt = 0; attempt < 50; attempt++)); do
    "$@" --out "$folder" 2>"$folder.log" &
    run=$!
    while [ "$(drawn "$folder")" -lt "$least" ] && kill -0 "$run" 2>/dev/null; do sleep 0.005; done
    mapfile -t held < <(workers)
    kill -STOP "${held[@]}" && [ "$(drawn "$folder")" -lt "$pictures" ] && return
    kill -KILL "$run" "${held[@]}" 2>/dev/null
    wait "$run"
    rm -rf "$folder" "$folder.run"
  done
  fault "no run of $folder could be held: $(head -c 400 "$folder.log")"
}
let_go() { kill -CONT "${held[@]}" 2>/dev/null; }

colours=(red blue green yellow purple orange black white)
{
  printf '{"images": ['
  for ((i = 0; i < pictures; i++)); do printf '%s{"id": %d}' "$([ $i -gt 0 ] && echo ,)" $((1000 - i)); done
  printf '], "annotations": ['
  for ((i = 0; i < pictures; i++)); do
    printf '%s{"image_id": %d, "caption": "a %s circle"}' "$([ $i -gt 0 ] && echo ,)" $((1000 - i)) "${colours[$((i % 8))]}"
  done
  printf ']}'
} >coco.json
sample=("$scalekv" sample --prompts coco.json --threads 1)

# --- the same bytes, however they came about ---
expect 0 "$pictures of $pictures pictures drawn" "${sample[@]}" --out one
[ "$(find one -type f | wc -l)" -eq "$pictures" ] || fault "one holds something else than $pictures pictures"
"$scalekv" generate "a blue circle" --seed 1 --threads 2 -q -o single.png
cmp -s <(tail -c 3000 single.png) <(tail -c 3000 one/0001.png) || fault "generate draws another picture of seed 1"
"${sample[@]}" --out shards --shard 1/2 -q &
expect 0 "$(((pictures + 1) / 2)) of $(((pictures + 1) / 2)) pictures drawn" "${sample[@]}" --out shards --shard 0/2
wait $! || fault "shard 1/2 fails"
same one shards
expect 0 ' 0 of .* pictures drawn' "${sample[@]}" --out shards

# --- killed, stopped, damaged: a rerun draws what is missing ---
hold killed 2 "${sample[@]}" -q
kill -KILL "$run"
wait "$run" 2>/dev/null
expect 0 'drawn' "${sample[@]}" --out killed
same one killed
hold stopped 2 "${sample[@]}" -q
kill -TERM "$run"
let_go
wait "$run"
[ $? -eq 130 ] || fault "SIGTERM does not give exit code 130"
expect 0 'drawn' "${sample[@]}" --out stopped
same one stopped
rm one/0003.png
echo rubbish >one/0005.png
expect 0 ' 2 of .* pictures drawn' "${sample[@]}" --out one
same killed one

# --- refused ---
expect 1 'policy was adaptive and is full' "${sample[@]}" --out one --policy full
expect 1 'seed was 0 and is 5' "${sample[@]}" --out one --seed 5
expect 1 'weights was f32 and is int8' "${sample[@]}" --out one --weights int8
sed 's/a red circle/a red square/' coco.json >other.json
expect 1 '0000.png was drawn from another prompt' "$scalekv" sample --prompts other.json --out one
hold busy 1 "${sample[@]}" -q
expect 1 'another run' "${sample[@]}" --out busy
expect 1 'another run' "${sample[@]}" --out busy --shard 0/3
let_go
wait "$run" || fault "a refused run disturbs the one at work"
same one busy
mkdir mine && touch mine/holiday.jpg
expect 1 'is not empty' "${sample[@]}" --out mine
expect 1 'cannot be (made|written)' "${sample[@]}" --out /proc/scalekv
expect 2 'shard' "${sample[@]}" --out new --shard 2/2
expect 2 'no layout' "${sample[@]}" --out new --layout magic
expect 2 'lack' "${sample[@]}" --out new --layout geneval
expect 1 'no such file' "$scalekv" sample --prompts missing.txt --out new
expect 2 "no cache policy 'magic'" "${sample[@]}" --out new --policy magic
head -c 100 coco.json >cut.json
expect 1 'cut.json is not valid JSON' "$scalekv" sample --prompts cut.json --out new
[ -e new ] && fault "a refused run made its folder"
if [ "$(id -u)" -ne 0 ]; then
  mkdir closed && chmod a-w closed
  expect 1 'closed/new' "${sample[@]}" --out closed/new
fi

# --- a full disk, as a limit on the size of files: 4 KiB is less than a picture ---
expect 1 '0000.png cannot be written: File too large' bash -c 'ulimit -f 4; exec "$@"' limited "${sample[@]}" --out full
[ -z "$(ls full)" ] || fault "half a picture is left"
expect 0 "$pictures of $pictures pictures drawn" "${sample[@]}" --out full
same one full

# --- layouts ---
layout() {  # NAME PROMPTS IMAGES FILES
  expect 0 'drawn' "$scalekv" sample --prompts "$2" --out "$1" --threads 1 --images-per-prompt "$3"
  [ "$(cd "$1" && find . -type f | sort | tr '\n' ' ')" = "$4" ] || fault "$1: $(cd "$1" && find . -type f | sort)"
}
echo '{"tag": "colors", "include": [{"class": "circle", "count": 1, "color": "red"}], "prompt": "a red circle"}' >geneval.jsonl
layout geneval geneval.jsonl 2 "./00000/metadata.jsonl ./00000/samples/0000.png ./00000/samples/0001.png "
cmp -s geneval/00000/metadata.jsonl geneval.jsonl || fault "GenEval's metadata is not the line of the prompt"
mkdir dpg-prompts && echo "a red circle" >dpg-prompts/256.txt
layout dpg dpg-prompts 0 "./256.png "
echo '["a red circle", "a blue circle"]' >anime.json
layout hpsv2 anime.json 0 "./anime/00000.jpg ./anime/00001.jpg "
echo '[{"id": "005695-0057", "prompt": "a red circle"}]' >reward.json
layout imagereward reward.json 2 "./005695-0057/005695-0057_0.png ./005695-0057/005695-0057_1.png ./metadata.jsonl "
cmp -s <(tail -c 5000 geneval/00000/samples/0000.png) <(tail -c 5000 one/0000.png) || fault "a layout changes pictures"

# --- under mpirun without its module, or with one that is no good; alone, the program needs none ---
mkdir alone && cp "$scalekv" alone/scalekv
alone=(alone/scalekv sample --prompts coco.json --threads 1)
joining=(env OMPI_COMM_WORLD_SIZE=1 "${alone[@]}" --out joining)
expect 1 'needs the module scalekv-mpi.so, and there is neither .*/alone/scalekv-mpi.so nor .*/scalekv/scalekv-mpi.so;' "${joining[@]}"
installed=$(sed -n 's/.* nor \([^;]*\);.*/\1/p' stderr)
head -c 4100 "$scalekv" >alone/scalekv-mpi.so
expect 1 'alone/scalekv-mpi.so is damaged' "${joining[@]}"
head -c 4100 /dev/zero >alone/scalekv-mpi.so
expect 1 'alone/scalekv-mpi.so cannot be loaded .*invalid ELF header' "${joining[@]}"
cp "$(ldd "$scalekv" | sed -n 's/.*=> \(.*libz[.][^ ]*\) .*/\1/p')" alone/scalekv-mpi.so
expect 1 'alone/scalekv-mpi.so is of another version' "${joining[@]}"
[ -e joining ] && fault "a run that cannot join the others made its folder"
expect 0 'drawn' "${alone[@]}" --out lone
same one lone

# --- MPI ---
if [ -n "$mpirun" ]; then
  pair=("$mpirun" -n 2 "${sample[@]}")
  expect 0 'drawn in .* by 2 processes' "${pair[@]}" --out ranks
  same one ranks
  [ "$(wc -l <ranks.run/manifest-0-of-1-rank-1.jsonl)" -gt 0 ] || fault "rank 1 did nothing"
  # Installed, the module lies in the folder of libraries.
  mkdir -p "$(dirname "$installed")" && cp "$(dirname "$scalekv")/scalekv-mpi.so" "$installed" && rm alone/scalekv-mpi.so
  expect 0 'drawn in .* by 2 processes' "$mpirun" -n 2 "${alone[@]}" --out installed
  same one installed
  # A seed by chance is one for all ranks, and for the run that goes on.
  expect 0 'from seed [0-9]+ on' "${pair[@]}" --out chance --seed -1
  seed=$(sed -n 's/.*from seed \([0-9]*\) on.*/\1/p' stdout)
  expect 0 ' 0 of .* pictures drawn' "${sample[@]}" --out chance --seed "$seed"
  rm chance/0001.png
  expect 0 " 1 of .* from seed $seed on" "${pair[@]}" --out chance --seed -1
  hold dead 2 "${pair[@]}" -q
  kill -KILL "${held[1]}"  # mpirun stops the other
  let_go
  wait "$run" && fault "a killed rank is no failure"
  expect 0 'drawn' "${pair[@]}" --out dead
  same one dead

  # A rank that stands still keeps the one picture it is at; the other draws the rest, and says how far the whole is.
  hold slow 1 "${pair[@]}"
  [ "$(cat "/proc/${held[1]}/comm")" = "$(basename "$scalekv" | head -c 15)" ] || fault "a rank is not listed by its own name"
  mine=$(cat slow.run/manifest-*-rank-1.jsonl 2>/dev/null | wc -l)
  kill -CONT "${held[0]}"
  for ((i = 0; i < 600; i++)); do
    grep -qE "^sample: [0-9]+ of $pictures pictures" slow.log && [ "$(drawn slow)" -ge $((pictures - 1)) ] && break
    sleep 0.1
  done
  [ "$(drawn slow)" -ge $((pictures - 1)) ] || fault "a rank that stands still holds up $((pictures - $(drawn slow))) pictures"
  grep -qE "^sample: [0-9]+ of $pictures pictures" slow.log || fault "rank 0 does not say how far the whole is"
  let_go
  wait "$run" || fault "a rank that stood still is no failure"
  [ "$(wc -l <slow.run/manifest-0-of-1-rank-0.jsonl)" -ge $((pictures - 1 - mine)) ] || fault "rank 0 did not draw the rest"
  same one slow
  # Signals: to a rank, which tells the others, and to mpirun, which stops them all. Nothing half-written stays.
  for target in rank mpirun; do
    hold "$target" 1 "${pair[@]}" -q
    if [ $target = rank ]; then kill -TERM "${held[1]}"; else kill -TERM "$run"; fi
    let_go
    wait "$run"
    code=$?
    [ $target = rank ] && [ $code -ne 130 ] && fault "SIGTERM to a rank does not give exit code 130"
    [ $code -eq 0 ] && fault "SIGTERM to mpirun is no failure"
    ls "$target".run/part-* >/dev/null 2>&1 && fault "SIGTERM to $target leaves half a picture"
    expect 0 'drawn' "${pair[@]}" --out "$target"
    same one "$target"
  done
  # A rank of its own mind, by a script: mpirun A : B, where each has its arguments, crashes in Open MPI 5.
  # shellcheck disable=SC2016  # for the ranks
  by_rank='[ "$OMPI_COMM_WORLD_RANK" = 0 ] || set -- "$@" --model missing.safetensors; exec "$@"'
  expect 1 'rank 1: .*missing.safetensors' "$mpirun" -n 2 bash -c "$by_rank" by_rank "${sample[@]}" --out broken
  expect 1 'policy was' "${pair[@]}" --out one --policy full
  expect 0 'drawn' "${pair[@]}" --out broken
  same one broken
fi
exit $failed
