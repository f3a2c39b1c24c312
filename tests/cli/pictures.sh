#!/usr/bin/env bash
# Folders of pictures measured and reported, with all networks (their weights are random), and outputs that cannot be
# written. Usage: pictures.sh path/to/scalekv path/to/random_networks tests/data
random_networks=$(realpath "$2")
data=$(realpath "$3")
# shellcheck source=tests/cli/expect.sh
source "$(dirname "$0")/expect.sh"

"$random_networks" "$data" . || fault "no networks"
networks=(--lpips-weights lpips.safetensors --inception-weights inception.safetensors)

# folder NAME SHAPE...: those pictures of tests/data/shapes as 0.png, 1.png ...
folder() {
  local name=$1 number=0
  shift
  mkdir "$name"
  for shape in "$@"; do cp "$data/shapes/$(printf %02d "$shape").png" "$name/$((number++)).png"; done
}
folder a 0 1 2 3 4 5
folder b 18 19 20 21 22 23

# near KEY EXPECTED TOLERANCE: the first number of that name on stdout, by relative error.
near() {
  local got
  got=$(sed -n "s/^ *\"$1\": \([-0-9.e]*\).*/\1/p" stdout | head -n 1)
  awk -v got="${got:-nan}" -v wanted="$2" -v tolerance="$3" \
    'BEGIN { off = got - wanted; exit !(got != "nan" && (off < 0 ? -off : off) <= tolerance * wanted) }' ||
    fault "$1 is ${got:-missing} instead of $2"
}
# wanted KEY: one number of what clean-fid made of the same folders.
wanted() { sed -n "/\"folders\"/,/}/s/^ *\"$1\": \([0-9.]*\).*/\1/p" "$data/metrics/expected.json"; }

expect 0 '"pairs": 6' -- metrics a b --json --kid --per-image "${networks[@]}"
near fid "$(wanted fid)" 1e-3
near kid "$(wanted kid)" 1e-4
cp stdout both.json
[ "$(grep -c '"lpips"' stdout)" = 7 ] || fault "not every pair has an LPIPS, and the mean"
expect 0 '^FID +[0-9]' -- metrics a b "${networks[@]}"
for name in PSNR SSIM LPIPS FID; do grep -q "^$name" stdout || fault "no $name in the table"; done
grep -q KID stdout && fault "a KID that nobody asked for"
grep -q without stderr && fault "something is said to be missing: $(cat stderr)"

# A folder and itself.
expect 0 'PSNR +inf dB .no pair differs' -- metrics a a --kid "${networks[@]}"
grep -qE '^FID +0\.000000$' stdout || fault "FID of a folder with itself: $(grep FID stdout)"
expect 0 '"psnr": "inf"' -- metrics a a --json

# Statistics stand for their folder.
expect 0 'without LPIPS' -- metrics a --write-statistics a.npz --inception-weights inception.safetensors
expect 0 'without LPIPS' -- metrics b --write-statistics b.npz --inception-weights inception.safetensors --threads 1
for sides in 'a.npz b' 'a b.npz' 'a.npz b.npz'; do
  # shellcheck disable=SC2086
  expect 0 '"fid"' -- metrics $sides --json --inception-weights inception.safetensors
  [ "$(grep -o '"fid": [0-9.]*' stdout)" = "$(grep -o '"fid": [0-9.]*' both.json)" ] || fault "another FID of $sides"
done
expect 2 'features of b need --inception-weights' -- metrics a.npz b
expect 1 'statistics of 2048 and of [0-9]+ features cannot be compared' -- metrics a.npz "$data/metrics/statistics.npz"
expect 1 'neither .features.0.weight.* nor' -- metrics a b --lpips-weights inception.safetensors
expect 1 'lpips.safetensors' -- metrics a b --inception-weights lpips.safetensors
mkdir one && cp a/0.png one
expect 1 'at least 2 pictures' -- metrics one --write-statistics one.npz --inception-weights inception.safetensors

# Photographs of another size.
mkdir photographs drawn
cp "$data/images/gradient.jpg" photographs/0.jpg
cp "$data/images/gradient.jpg" photographs/1.jpg
cp a/0.png a/1.png drawn
expect 1 'differ|[0-9]+x[0-9]+ and 128x128' -- metrics photographs drawn
expect 0 '"fid"' -- metrics photographs drawn --is-gt --json "${networks[@]}"

# Three reports of the same folders: table, pictures.
expect 0 "report.json" -- report a b a -o report.json --kid "${networks[@]}"
for kind in md html; do expect 0 "report.$kind" -- report a b a -o report.$kind; done
for key in full folders folder pairs identical psnr ssim lpips fid kid best median worst name compressed; do
  grep -q "\"$key\"" report.json || fault "no $key in report.json"
done
cp report.json stdout
near fid "$(wanted fid)" 1e-3
near kid "$(wanted kid)" 1e-4
[ "$(grep -o '!\[full cache\](<a/[0-5].png>) !\[compressed\](<[ab]/[0-5].png>)' report.md | wc -l)" = 6 ] ||
  fault "report.md has not three pairs of pictures for each of two folders"
[ "$(grep -o 'src="data:image/png' report.html | wc -l)" = 18 ] || fault "report.html has not its pictures"

# A picture that lacks its end.
cp -r a cut
truncate -s -12 cut/2.png
expect 1 'cut/2.png is a damaged PNG file: its end is missing' -- metrics cut b

# A place where nothing can be written, also for the superuser.
expect 1 '/proc/' -- metrics a --write-statistics /proc/a.npz --inception-weights inception.safetensors
for kind in json md html; do expect 1 '/proc/' -- report a b -o /proc/report.$kind; done
echo 'a red circle' >prompts.txt
expect 1 '/proc/' -- calibrate --prompts prompts.txt -o /proc/calibration.json
expect 1 '/proc/' -- evaluate --prompts prompts.txt --policies full -o /proc/evaluation
exit "$failed"
