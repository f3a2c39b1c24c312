#!/usr/bin/env bash
# Picture files that the program reads and writes: formats by name, standard output, text beside the pixels, orientation,
# folders with what other systems leave in them. Usage: picture_files.sh path/to/scalekv tests/data
data=$(realpath "$2")
# shellcheck source=tests/cli/expect.sh
source "$(dirname "$0")/expect.sh"
pictures=$data/pictures

begins() { [ "$(head -c "$(printf %b "$2" | wc -c)" "$1" | od -An -tx1)" = "$(printf %b "$2" | od -An -tx1)" ] || fault "$1 is not what its name says"; }
says() { grep -aqF -- "$2" "$1" || fault "$1 does not say: $2"; }
nothing() { for name in "$@"; do [ -e "$name" ] && fault "$name is left by a refused request"; done; }
drawn=(generate "a red circle" --seed 7)

# The name says the format, in small and capital letters; -i numbers names before the ending.
expect 0 'ring.png' -- "${drawn[@]}" -o ring.png
expect 0 'ring.jpg' -- "${drawn[@]}" -o ring.jpg
expect 0 'ring.JPEG' -- "${drawn[@]}" -o ring.JPEG
expect 0 'ring.WebP' -- "${drawn[@]}" -o ring.WebP
expect 0 'more.v2-1.webp' -- "${drawn[@]}" -i 2 -o more.v2.webp
begins ring.png '\x89PNG'
begins ring.jpg '\xff\xd8\xff'
begins ring.JPEG '\xff\xd8\xff'
begins ring.WebP 'RIFF'
begins more.v2-0.webp 'RIFF'
cmp -s ring.jpg ring.JPEG || fault "the same picture has other bytes in ring.JPEG"

# Any other name is refused before anything is opened: the model is missing, too.
for name in ring ring.gif ring.bmp ring.avif ring.png.txt .png 'ring.jpg '; do
  expect 2 'ends with .png, .jpg, .jpeg or .webp' -- "${drawn[@]}" --model missing.safetensors -o "$name"
  expect 2 'ends with .png, .jpg, .jpeg or .webp' -- reconstruct missing.png --model missing.safetensors -o "$name"
done
expect 2 'ends with .html, .md or .json' -- report missing other -o report.png
for name in stars.png stars.WEBP -; do
  expect 2 "$name names one picture.*name a folder" -- compare "x" --model missing.safetensors -o "$name"
done
touch file
expect 1 'file/stars cannot be made: .*file is no folder' -- compare "x" --model missing.safetensors -o file/stars
expect 1 'file cannot be made: .*file is no folder' -- compare "x" --model missing.safetensors -o file
long=$(head -c 240 /dev/zero | tr '\0' 'a').png
expect 1 'a name has at most 230 bytes' -- "${drawn[@]}" --model missing.safetensors -o "$long"
expect 1 'a name has at most 230 bytes' -- "${drawn[@]}" --model missing.safetensors -o "$(head -c 300 /dev/zero | tr '\0' 'a').png"
mkdir taken-1.png
expect 1 'taken-1.png cannot be written: it is a folder' -- "${drawn[@]}" --model missing.safetensors -i 2 -o taken.png
nothing ring.gif taken-0.png

# A quality acts, or is refused.
expect 0 'small.jpg' -- "${drawn[@]}" --quality 20 -o small.jpg
expect 0 'small.webp' -- "${drawn[@]}" --quality 20 -o small.webp
[ "$(stat -c %s small.jpg)" -lt "$(stat -c %s ring.jpg)" ] || fault "--quality 20 is not smaller than 95 (JPEG)"
[ "$(stat -c %s small.webp)" -lt "$(stat -c %s ring.WebP)" ] || fault "--quality 20 is not smaller than 90 (WebP)"
expect 2 'quality is for .jpg and .webp' -- "${drawn[@]}" --model missing.safetensors --quality 90 -o ring.png
expect 2 'quality is for .jpg and .webp' -- "${drawn[@]}" --model missing.safetensors --quality 90 -o -
for quality in 0 101 -1 high; do expect 2 'quality' -- "${drawn[@]}" --quality $quality -o ring.jpg; done

# Standard output: the bytes of the file and nothing else; reports go to standard error.
"$scalekv" "${drawn[@]}" -o - >piped 2>report </dev/null || fault "-o - fails: $(cat report)"
cmp -s piped ring.png || fault "-o - writes other bytes than -o ring.png"
grep -q '128x128 pixels' report || fault "-o - reports nothing on standard error"
"$scalekv" "${drawn[@]}" -o - --json >piped 2>report </dev/null || fault "-o - --json fails"
cmp -s piped ring.png || fault "--json is mixed with the picture"
grep -q '"kv_bytes_peak"' report || fault "the JSON report is not on standard error"
"$scalekv" "${drawn[@]}" -o - -q --format jpg >piped 2>report </dev/null || fault "--format jpg fails"
cmp -s piped ring.jpg || fault "--format jpg writes other bytes than -o ring.jpg"
[ -s report ] && fault "--quiet is not: $(cat report)"
"$scalekv" "${drawn[@]}" -o - -q --format webp --quality 20 >piped 2>report </dev/null || fault "--format webp fails"
cmp -s piped small.webp || fault "--format webp writes other bytes than -o small.webp"
"$scalekv" reconstruct ring.png -o - >piped 2>report </dev/null || fault "reconstruct -o - fails: $(cat report)"
expect 0 'again.png' -- reconstruct ring.png -o again.png
cmp -s piped again.png || fault "reconstruct -o - writes other bytes than -o again.png"
[ -e - ] && fault "a file named - was written"
expect 2 'pictures cannot go to standard output' -- "${drawn[@]}" --model missing.safetensors -i 2 -o -
expect 2 'format' -- "${drawn[@]}" --format gif -o -
for format in png jpg; do
  expect 2 "told by its name" -- "${drawn[@]}" --model missing.safetensors --format $format -o ring.png
done
"$scalekv" "${drawn[@]}" -o - >/dev/full 2>report </dev/null && fault "a full standard output is no error"
grep -q 'standard output: No space left' report || fault "a full standard output: $(cat report)"
if command -v script >/dev/null; then
  script -qec "$scalekv generate x --model missing.safetensors -o -" /dev/null </dev/null >terminal 2>&1
  grep -q 'standard output is a terminal' terminal || fault "a picture on a terminal: $(head -c 200 terminal)"
else
  echo "SKIPPED: pictures on a terminal, for there is no program named script"
fi

# A file that does not fit leaves nothing behind, and what was there before stays.
cp ring.png kept.png
(ulimit -f 4; "$scalekv" "${drawn[@]}" -o kept.png >stdout 2>stderr </dev/null; echo $? >code)
[ "$(cat code)" = 1 ] || fault "a limit on files is exit $(cat code)"
grep -q 'kept.png cannot be written: File too large' stderr || fault "a limit on files: $(cat stderr)"
cmp -s kept.png ring.png || fault "kept.png was overwritten with half a picture"
ls kept.png.* >/dev/null 2>&1 && fault "half a file is left: $(ls kept.png.*)"

# What viewers read, beside our own entries.
expect 0 'told.png' -- generate "a red circle" -n blurry --seed 7 --cfg 3 -o told.png
says told.png 'parameters'
says told.png 'Negative prompt: blurry'
says told.png 'Steps: 7, Sampler: Infinity, CFG scale: 3, Seed: 7, Size: 128x128, Model: shapes-7s, Version: scalekv'
expect 0 'compared' -- compare "two green stars" --seed 11 -o compared
for name in full adaptive difference; do says compared/$name.png 'Seed: 11, Size: 128x128'; done
says <(tr -d '\0' <ring.jpg) 'Seed: 7, Size: 128x128'
says <(tr -d '\0' <ring.WebP) 'Seed: 7, Size: 128x128'
says ring.jpg '"prompt":"a red circle"'

# reconstruct shows a picture as its orientation says, metrics do not: 19x17 pixels, of which 5 to 8 are on their side.
for file in turned{1..8}.png turned{1..8}.jpg lossless-turned{1..8}.webp; do
  size=19x17
  case $file in *[5-8].*) size=17x19 ;; esac
  expect 0 "pixels from $size" -- reconstruct "$pictures/$file" -o upright.png
done
cp "$pictures/turned1.png" upright.png
mkdir lying standing
cp "$pictures/turned1.png" standing/0.png
cp "$pictures/turned8.png" lying/0.png
expect 0 '"identical": 1' -- metrics standing lying --json

# What metrics see: pixels without gamma and without alpha; PSNR as Pillow and numpy find it.
for file in gamma-1.png rgba.png palette-trns.png cmyk.jpg ycck.jpg gray16.png gray-alpha16.png lossy.webp lossless-alpha.webp \
  jpeg-named.png png-named.jpg; do
  rm -rf a b
  mkdir a b
  cp "$pictures/$file" "a/0.${file##*.}"
  cp "$pictures/reference.png" b/0.png
  expect 0 '"psnr"' -- metrics a b --json
  wanted=$(sed -n "s/.*\"$file\", \"psnr\": \([0-9.]*\).*/\1/p" "$pictures/pictures.json")
  awk -v got="$(number psnr)" -v wanted="$wanted" 'BEGIN { off = got - wanted; exit !(off < 1e-4 && off > -1e-4) }' ||
    fault "$file: $(number psnr) dB instead of $wanted"
done

# Hidden files are passed over; formats that are not read are refused where they are named as pictures.
printf 'no picture' | tee a/._0.jpg b/._0.png b/.1.png >b/.DS_Store
mkdir b/__MACOSX
printf 'no picture' >b/__MACOSX/._0.png
expect 0 '"pairs": 1' -- metrics a b --json
printf 'GIF89a with a wrong name' >b/0.png
expect 1 'b/0.png is a GIF file.*convert it to PNG' -- metrics a b
expect 1 'b/0.png is a GIF file.*convert it to PNG' -- reconstruct b/0.png
: >b/0.png
expect 1 'b/0.png is empty' -- metrics a b
expect 1 'file is empty' -- reconstruct file
exit "$failed"
