# shellcheck shell=bash
# Reads and rewrites the headers of safetensors files, and compares pictures. Sourced after expect.sh.

# The eight bytes of a number.
little_endian() { for shift in 0 8 16 24 32 40 48 56; do printf '%b' "\\x$(printf '%02x' $(($1 >> shift & 255)))"; done; }
header_length() { od -An -t u8 -N 8 "$1" | tr -d ' '; }
header() { tail -c +9 "$1" | head -c "$(header_length "$1")"; }
data() { tail -c +$((9 + $(header_length "$1"))) "$1"; }
data_size() { echo $(($(stat -c %s "$1") - 8 - $(header_length "$1"))); }
# with_header FILE: the header on standard input, before the data of FILE.
with_header() { cat >header.new; little_endian "$(stat -c %s header.new)"; cat header.new; data "$1"; }
# rewrite FILE NEW SCRIPT: NEW is FILE after the sed script went over its header.
rewrite() {
  header "$1" | sed "$3" | with_header "$1" >"$2"
  cmp -s "$1" "$2" && fault "nothing was rewritten: $3"
}
# place FILE TENSOR: where in the file its data begin.
place() {
  local begin
  begin=$(header "$1" | grep -oE "\"$2\":[^}]*" | sed 's/.*data_offsets":\[\([0-9]*\).*/\1/')
  echo $((8 + $(header_length "$1") + begin))
}
# pixels FILE: a PNG from its picture data on, without what it says about itself.
pixels() { tail -c +"$(grep -aob IDAT "$1" | head -n 1 | cut -d : -f 1)" "$1"; }
same_picture() { cmp -s <(pixels "$1") <(pixels "$2") || fault "$2 shows another picture than $1"; }
