#!/usr/bin/env bash
# Prompts as the model reads them, and those that are too long. Usage: tokenize.sh path/to/scalekv path/to/tests/data MODEL
# shellcheck source=tests/cli/expect.sh
source "$(dirname "$0")/expect.sh"
data=$(cd "$OLDPWD" && realpath "$2") model=$(cd "$OLDPWD" && realpath "$3")

# says TEXT: the last report holds it.
says() { grep -qF -- "$1" stdout || fault "no '$1' in: $(head -c 300 stdout)"; }

# The embedded model, its file, a folder without weights, a spiece.model alone.
expect 0 '28  "▁red"' -- tokenize "a red circle"
says '4 tokens'
expect 0 '"ids":\[3,28,12,1\]' -- tokenize "a red circle" --json
says '"pieces":["▁a","▁red","▁circle","</s>"]'
has prompt_tokens prompt_cut reads
expect 0 '"ids":\[3,28,12,1\]' -- tokenize "a red circle" --json --model "$model"
for from in "--text-encoder $data/text" "--text-encoder $data/text/spiece.model" "--model $data/text" "--model $data/text/odd.model"; do
  # shellcheck disable=SC2086
  expect 0 '"▁a",.*"</s>"\]' -- tokenize $from --json -- "a" "-- a"
done
# A spiece.model that merely lies here is not meant.
cp "$data/text/spiece.model" .
expect 0 '"ids":\[3,28,12,1\]' -- tokenize "a red circle" --json
rm spiece.model
# As the fast tokenizer has it: </s> twice, a sentinel in full width, runs with the single one in front, empty prompts.
expect 0 '"pieces":\["</s>","</s>"\]' -- tokenize "</s>" --json
expect 0 '"<extra_id_0>","</s>"\]' -- tokenize --text-encoder "$data/text" --json "＜extra_id_0＞"
expect 0 '"pieces":\["</s>"\]' -- tokenize "" --json
expect 0 '^\[.*\}, *\{|^\[.*\},\{' -- tokenize "a" "b" --json
expect 0 'byte by byte' -- tokenize "a" --random --arch infinity-2b
says '100  "<0x61>"'
expect 0 '"reads":"bytes"' -- tokenize "a" --random --arch infinity-2b --json

# What is wrong.
expect 2 'prompt' -- tokenize
expect 2 'not valid UTF-8 at byte 1' -- tokenize $'a\xff'
expect 2 'give both' -- tokenize "a" --random
expect 2 'exclude each other' -- tokenize "a" --random --arch infinity-2b --text-encoder "$data/text"
expect 1 'no such file or folder' -- tokenize "a" --text-encoder nowhere
expect 1 'nowhere' -- tokenize "a" --model nowhere
mkdir t5
expect 1 't5: there is no spiece.model; fetch it.*google/flan-t5-xl' -- tokenize "a" --text-encoder t5
echo '{}' >t5/tokenizer.json
for option in --model --text-encoder; do
  expect 1 't5: there is no spiece.model \(tokenizer.json.*not read\).*google/flan-t5-xl spiece.model --local-dir t5' -- tokenize "a" $option t5
done
cp "$model" t5/model.safetensors
expect 1 'there is no spiece.model \(tokenizer.json' -- generate "a" --model "$model" --text-encoder t5
expect 1 'there is no spiece.model \(tokenizer.json' -- convert --model "$model" --text-encoder t5 -o out.safetensors
echo 'no model' >t5/spiece.model
expect 1 'download spiece.model again' -- tokenize "a" --text-encoder t5

# A prompt that is cut is said, once for each prompt, wherever it is drawn; one that is not is not.
long=$(printf 'red %.0s' $(seq 600))
cut='^scalekv: the prompt "red red .* has 601 tokens; a model reads 512, so that the last 89 are left out$'
expect 0 '601 tokens; a model reads 512, so that the last 89' -- tokenize "$long"
fast=(--size 0.06M --threads 2)
expect 0 "$cut" -- generate "$long" "${fast[@]}" --quiet -o long.png
expect 0 "$cut" -- generate "$long" "${fast[@]}" --json -o long.png
[ "$(number prompt_tokens) $(number prompt_cut)" = "601 89" ] || fault "the report does not say that the prompt is cut"
expect 0 "$cut" -- generate "two green stars" --negative "$long" "${fast[@]}" -o long.png
expect 0 "$cut" -- compare "$long" "${fast[@]}" -o compared
[ "$(grep -c 'are left out' stderr)" = 1 ] || fault "compare repeats itself"
printf '%s\ntwo green stars\n%s\n' "$long" "$long" >prompts.txt
expect 0 "$cut" -- sample --prompts prompts.txt "${fast[@]}" -o sampled
[ "$(grep -c 'are left out' stderr)" = 1 ] || fault "sample says it $(grep -c 'are left out' stderr) times"
expect 0 "$cut" -- calibrate --prompts prompts.txt --size 0.06M -o long.calibration.json
expect 0 'star.png' -- generate "two green stars" "${fast[@]}" -o star.png
grep -q 'left out' stderr && fault "a short prompt is said to be cut"
exit $failed
