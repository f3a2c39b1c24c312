#!/usr/bin/env bash
# Runs the command line on model files: sound, damaged and hostile ones. Usage: files.sh path/to/scalekv MODEL, the model
# being the one that is built in.
here=$(realpath "$(dirname "$0")")
# shellcheck source=tests/cli/expect.sh
source "$here/expect.sh"
# shellcheck source=tests/cli/model_files.sh
source "$here/model_files.sh"
model=$(cd "$OLDPWD" && realpath "$2")

# safetensors HEADER BYTES: a file of this header and so many zeros, on standard output.
safetensors() { little_endian "${#1}"; printf '%s' "$1"; head -c "$2" /dev/zero; }

# A sound file: inspect --check says so, with the hash that sha256sum finds, as text and as JSON.
digest=$(sha256sum "$model" | cut -c 1-64)
expect 0 'finite; transformer, VAE, text encoder: every tensor' -- inspect "$model" --check
grep -q "sha256.*$digest" stdout || fault "inspect --check prints another hash than $digest"
expect 0 "$digest" -- inspect "$model" --check --json
has architecture metadata tensors bytes checked whole sha256
expect 0 '"checked": false' -- inspect "$model" --json
grep -q "$digest" stdout && fault "inspect without --check read the whole file"

# What --check finds: a shape, a missing tensor, one too many, a NaN.
fc1=gpt.block_chunks.0.module.1.ffn.fc1
rewrite "$model" swapped.safetensors "s/\(\"$fc1.weight\":{\"dtype\":\"[A-Z0-9]*\",\"shape\":\[\)768,192/\1192,768/"
expect 1 "$fc1.weight.*\[192, 768\], expected \[768, 192\]" -- inspect swapped.safetensors --check
expect 1 "$fc1.weight.*\[192, 768\], expected \[768, 192\]" -- inspect swapped.safetensors --check --json
expect 1 "$fc1.weight.*\[192, 768\], expected \[768, 192\]" -- generate "x" --model swapped.safetensors
rewrite "$model" renamed.safetensors "s/$fc1.bias/$fc1.base/"
expect 1 "no tensor \"$fc1.bias\"" -- inspect renamed.safetensors --check
expect 1 "no tensor \"$fc1.bias\"" -- generate "x" --model renamed.safetensors
cp "$model" nan.safetensors
printf '\x00\x00\xc0\x7f' | dd of=nan.safetensors bs=1 seek="$(place "$model" $fc1.bias)" conv=notrunc status=none
expect 0 'architecture' -- inspect nan.safetensors
expect 1 "$fc1.bias\" holds nan at element 0" -- inspect nan.safetensors --check
expect 1 'not finite.*inspect --check' -- generate "x" --model nan.safetensors
expect 1 "$fc1.bias\" holds nan at element 0" -- convert --model nan.safetensors -o out.safetensors
safetensors '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' 8 >other.safetensors
expect 0 'it holds no part of a model' -- inspect other.safetensors --check
rewrite "$model" positions.safetensors 's/rope_reference\\":\\"1M/rope_reference\\":\\"0.25M/'
expect 1 'positions.safetensors.*rope_reference is "0.25M".*"1M" only' -- generate "x" --model positions.safetensors
expect 1 'rope_reference' -- convert --model positions.safetensors -o out.safetensors
expect 1 'rope_reference' -- plan --model positions.safetensors

# Headers that lie.
safetensors '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}' 12 >overlap.safetensors
head -c 1000000 "$model" >cut.safetensors
{ little_endian $((1 << 40)); echo '{}'; } >long.safetensors
safetensors '{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}' 8 >huge.safetensors
safetensors '{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}' 8 >misshapen.safetensors
safetensors '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' 8 >twice.safetensors
for name in overlap cut long huge misshapen twice; do
  expect 1 "$name.safetensors" -- inspect $name.safetensors
  expect 1 "$name.safetensors" -- generate "x" --model $name.safetensors
  expect 1 "$name.safetensors" -- compare "x" --model $name.safetensors -o nothing
  expect 1 "$name.safetensors" -- convert --model $name.safetensors -o out.safetensors
done
[ -e nothing ] && fault "compare left a folder though it could not open the model"
[ -e out.safetensors ] && fault "a refused conversion left a file"
rewrite "$model" blocks.safetensors "s/\"$fc1.bias\"/\"gpt.block_chunks.999999999999.module.0.x\"/"
expect 1 'cut short' -- generate "x" --model blocks.safetensors

# The published parts where they lie, without converting them: the same picture as from the one file.
mkdir t5
cp "$model" t5/model.safetensors
size=$(header "$model" | grep -oE '"tokenizer.spiece":[^}]*' | sed 's/.*shape":\[\([0-9]*\).*/\1/')
tail -c +$((1 + $(place "$model" tokenizer.spiece))) "$model" | head -c "$size" >t5/spiece.model
cat >t5/config.json <<'JSON'
{"model_type": "t5", "d_model": 128, "num_layers": 2, "num_heads": 4, "d_kv": 32, "d_ff": 256, "layer_norm_epsilon": 1e-6}
JSON
ln -s "$model" transformer.safetensors  # without the calibration beside the model, which is of another name
parts=(--transformer transformer.safetensors --vae "$model" --text-encoder t5)
settings=(--seed 4 --size 0.06M --cfg 1.5 --tau 0.5 --policy h2o)
expect 0 'whole.png' -- generate "a red circle" --model "$model" "${settings[@]}" -o whole.png
expect 0 'parts.png' -- generate "a red circle" "${parts[@]}" "${settings[@]}" -o parts.png
cmp -s <(pixels whole.png) <(pixels parts.png) || fault "the three parts draw another picture than the one file"
expect 0 'tensors' -- convert "${parts[@]}" --weights f32 --name joined -o joined.safetensors
expect 0 'joined.png' -- generate "a red circle" --model joined.safetensors "${settings[@]}" -o joined.png
cmp -s <(pixels whole.png) <(pixels joined.png) || fault "the converted file draws another picture"
expect 0 '"name": "joined"' -- inspect joined.safetensors --check --json
sed -i 's/"num_layers": 2/"num_layers": 3/' t5/config.json
expect 1 't5/config.json says that num_layers is "3".*have 2' -- generate "x" "${parts[@]}"
expect 1 't5/config.json' -- convert "${parts[@]}" -o out.safetensors
echo '{' >t5/config.json
expect 1 't5/config.json' -- generate "x" "${parts[@]}"
rm t5/spiece.model
expect 1 'spiece.model' -- generate "x" "${parts[@]}"

# Every picture says how it was drawn.
says() { grep -aqF -- "$2" <(tr '\0' '=' <"$1") || fault "$1 does not say $2"; }
expect 0 'drawn.png' -- generate "two green stars" --seed 11 --policy scalekv --budget 4% -o drawn.png
for text in 'prompt=two green stars' 'seed=11' 'budget=4%' 'policy=scalekv' 'Software=scalekv' 'size=0.06M'; do says drawn.png "$text"; done
expect 0 'KV now, KiB' -- compare "two green stars" --seed 11 --policy scalekv -o compared
for file in full scalekv difference; do says compared/$file.png 'prompt=two green stars'; done
says compared/full.png 'policy=full'

# Progress on a terminal, scale by scale, and none elsewhere.
if command -v script >/dev/null; then
  script -qec "$scalekv generate 'a red circle' -o seen.png" /dev/null </dev/null >terminal 2>&1
  for scale in 1 7; do grep -q "scale $scale/7" terminal || fault "no progress on a terminal: $(head -c 300 terminal)"; done
else
  echo "SKIPPED: progress on a terminal, for there is no program named script"
fi
expect 0 'quiet.png' -- generate "a red circle" -o quiet.png
[ -s stderr ] && fault "progress was written though standard error is no terminal"

# A conversion that is told to end leaves nothing. One tensor is of 512 MiB of zeros, so that there is time.
extra=$((512 << 20))
data=$(($(stat -c %s "$model") - 8 - $(header_length "$model")))
rewrite "$model" large.safetensors "s/} *\$/,\"gpt.large\":{\"dtype\":\"F32\",\"shape\":[$((extra / 4))],\"data_offsets\":[$data,$((data + extra))]}}/"
truncate -s +$extra large.safetensors
for signal in TERM INT; do
  # A background process of a script would ignore SIGINT for good; a terminal's does not.
  (trap - INT; exec env --default-signal=INT "$scalekv" convert --model large.safetensors -o out.safetensors) >stdout 2>stderr &
  process=$!
  while ! ls out.safetensors.part-* >/dev/null 2>&1 && kill -0 $process 2>/dev/null; do sleep 0.02; done
  kill -$signal $process
  wait $process
  code=$?
  [ $code -eq 130 ] || fault "exit $code instead of 130 after SIG$signal: $(head -c 300 stderr)"
  [ "$(cat stderr)" = 'scalekv: cancelled' ] || fault "SIG$signal: $(head -c 300 stderr)"
  ls out.safetensors* >/dev/null 2>&1 && fault "SIG$signal left $(ls out.safetensors*)"
done
exit "$failed"
