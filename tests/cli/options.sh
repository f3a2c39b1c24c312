#!/usr/bin/env bash
# Options that are accepted act: memory is asked for before anything is loaded, whatever the command; what would leave
# another option without effect is refused; nobody is left without a number and without a word. Usage:
# options.sh path/to/scalekv MODEL path/to/random_networks tests/data
model=$(realpath "$2")
random_networks=$(realpath "$3")
data=$(realpath "$4")
# shellcheck source=tests/cli/expect.sh
source "$(dirname "$0")/expect.sh"

printf 'a red circle\ntwo green stars\n' >prompts.txt
echo '{"prompt":"a red circle","category":"single","objects":[{"shape":"circle","colour":"red","count":1,"size":null}],"relation":null,"background":null,"unseen":false}' >captions.jsonl
expect 0 '128x128' -- generate "a red circle" -o picture.png

for policy in scalekv heatkv adaptive; do
  expect 0 'prompts' -- calibrate --prompts prompts.txt -n 1 --policy $policy --budget 4% -o $policy.json
  rm -f "$policy".calibration.json
done
# A budget file in compare and bench, of capacities and of tokens: one side is the full cache, the other the file's.
for policy in scalekv adaptive; do
  expect 0 "\"policy\": \"$policy\"" -- compare "two green stars" --budget-file $policy.json --json -o by-$policy
  [ "$(number budget)" = 0.04 ] || fault "compare says a budget of $(number budget)"
  awk -v mine="$(number kv_bytes_peak)" -v full="$(number kv_bytes_peak_full)" 'BEGIN { exit !(mine < 0.5 * full) }' ||
    fault "compare compresses both sides: $(cat stdout)"
  cmp -s by-$policy/full.png by-$policy/$policy.png && fault "both pictures are the same"
  cp stdout compared.json
  expect 0 "\"policy\": \"$policy\"" -- bench --budget-file $policy.json --no-decode --json
  [ "$(number kv_bytes_peak)" = "$(sed -n 's/.*"kv_bytes_peak": \([0-9]*\),/\1/p' compared.json)" ] ||
    fault "bench and compare have other peaks of $policy"
  peak=$(number kv_bytes_peak)
  # Of several runs "full" is the full cache.
  expect 0 '"policy": "full"' -- bench --budget-file $policy.json --budgets full,4% --no-decode --no-text-encoder --json
  peaks=$(grep -oE '"kv_bytes_peak": [0-9]+' stdout | grep -oE '[0-9]+' | tr '\n' ' ')
  [ "${peaks#* }" = "$peak " ] || fault "bench: peaks of $peaks, not full and $peak"
  [ "${peaks%% *}" -gt $((2 * peak)) ] || fault "bench: the full cache's peak is ${peaks%% *}, beside $peak"
  expect 0 "\"policy\": \"$policy\"" -- plan --budget-file $policy.json --json
  expect 0 "$policy $policy.json" -- plan --budget-file $policy.json
done
expect 0 'prompts' -- calibrate --prompts prompts.txt -n 1 --policy scalekv --budget 20% --published -o published.json
expect 0 '"budget": null' -- compare "two green stars" --budget-file published.json --json -o by-published
expect 0 '"budget": null' -- plan --budget-file published.json --json
expect 0 '128x128' -- generate "x" --policy heatkv --budget 4% --budget-file heatkv.json -o agreed.png
expect 2 'published.json says every budget, so --budget 20% would not act' -- generate "x" --budget-file published.json --budget 20%
expect 2 'heatkv.json is of a budget of 4%' -- compare "x" --budget-file heatkv.json --budget 10% -o nothing
expect 2 'a file of budgets needs no calibration' -- generate "x" --budget-file heatkv.json --calibration heatkv.json

# The same check for every command that loads a model, with the limit that is given, before anything is made.
limited=(--memory-limit 20M)
refused='needs 0.0[0-9] GB.*0.02 GB are available; (it would fit|nothing smaller)'
expect 1 "$refused" -- generate "x" "${limited[@]}" -o nothing.png
expect 1 "$refused" -- compare "x" "${limited[@]}" -o nothing
expect 1 "$refused" -- sample --prompts prompts.txt "${limited[@]}" -o nothing
expect 1 "$refused" -- reconstruct picture.png "${limited[@]}" -o nothing.png
expect 1 "$refused" -- calibrate --prompts prompts.txt "${limited[@]}" -o nothing.json
expect 1 "$refused" -- evaluate --prompts prompts.txt --policies full "${limited[@]}" -o nothing
expect 1 "$refused" -- evaluate-shapes --captions captions.jsonl "${limited[@]}" -o nothing
expect 1 "$refused" -- bench "${limited[@]}" --csv nothing.csv
for left in nothing nothing.png nothing.json nothing.csv nothing.run; do [ -e $left ] && fault "a refused command left $left"; done
# Advice names what the command has, and following it helps.
for wanted in 'compare x -o c' 'sample --prompts prompts.txt -o s' 'reconstruct picture.png' 'calibrate --prompts prompts.txt' \
  'evaluate --prompts prompts.txt --policies full,scalekv --budgets 10 --strips 0' 'evaluate-shapes --captions captions.jsonl'; do
  # shellcheck disable=SC2086
  expect 1 'it would fit with --weights' -- $wanted --memory-limit 30M --threads 1
  advised=$(grep -oE -- '--(weights|kv|policy|budget|size|batch) ?[a-z0-9]*' stderr | cut -d ' ' -f 1 | sort -u)
  for option in $advised; do
    # shellcheck disable=SC2086
    "$scalekv" ${wanted%% *} --help | grep -- "$option" >/dev/null || fault "${wanted%% *} has no $option, which it advises"
  done
  # shellcheck disable=SC2086
  expect 0 '' -- $wanted --memory-limit 30M --threads 1 --weights int8
done
# The longest prompt of a list decides, also where it is not the first.
long=$(printf 'a red circle %.0s' {1..60})
printf 'a red circle\n%s\n' "$long" >long.txt
expect 0 'drawn' -- sample --prompts prompts.txt --memory-limit 36M --threads 1 -o short
expect 1 'are available' -- sample --prompts long.txt --memory-limit 36M --threads 1 -o long
expect 0 'prompts' -- calibrate --prompts prompts.txt --memory-limit 39M --threads 1 -o short.json
expect 1 'are available' -- calibrate --prompts long.txt --memory-limit 39M --threads 1 -o long.json

# The sentence about faces is part of the plan, whatever the length of the prompt.
tokens() { "$scalekv" plan --json "$@" >stdout && number prompt_tokens; }
[ "$(tokens --prompt-tokens 8)" = 8 ] || fault "a prompt of 8 tokens has $(number prompt_tokens)"
[ "$(tokens --prompt-tokens 8 --face-prompt)" -ge 20 ] || fault "the plan leaves out the sentence about faces"
[ "$(tokens --prompt-tokens 512 --face-prompt)" = 512 ] || fault "a prompt of $(number prompt_tokens) tokens"

# What one option leaves another without.
expect 2 'full keeps everything, not 4%' -- generate "x" --policy full --budget 4%
expect 0 '128x128' -- generate "x" --policy full --budget 100% -o full.png
expect 2 'h2o has no choice of selectors' -- sample --prompts prompts.txt --policy h2o --selector attention -o nothing
expect 2 'full keeps everything' -- bench --policy full --budgets 10%,4%
expect 2 'so --policy would not act' -- bench --policy h2o --budgets full
expect 2 'so --budget-file would not act' -- bench --budget-file heatkv.json --budgets full
expect 2 'the negative prompt would not be looked at' -- generate "x" --negative "y" --cfg 1
expect 2 'no layer can be guided' -- generate "x" --guidance-layer 2 --cfg 1
expect 2 'give both' -- sample --prompts prompts.txt --arch layer12 -o nothing
expect 2 'give both' -- calibrate --prompts prompts.txt --random -o nothing.json
expect 2 "scalekv's budgets only" -- calibrate --prompts prompts.txt --policy adaptive --published -o nothing.json
for option in '--seed 3' '--model m.safetensors' '--policy full' '-o out' '--memory-limit 1G' '--face-prompt'; do
  # shellcheck disable=SC2086
  expect 2 'is for pictures that are drawn' -- evaluate-shapes --captions captions.jsonl --images . $option
done
expect 2 'default-size' -- convert --model "$model" --default-size 9M -o nothing.safetensors
expect 0 'prompts.txt holds 2 prompts, not 9' -- calibrate --prompts prompts.txt -n 9 -o nine.json
expect 0 'captions.jsonl holds 1 prompts, not 9' -- evaluate-shapes --captions captions.jsonl -n 9
expect 0 'a batch of 4 for 1 picture; --images 4 draws as many' -- generate "x" --batch 4 -o one.png
expect 0 '"kv_bytes_peak"' -- generate "x" --batch 4 --quiet --json -o one.png
[ -s stderr ] && fault "--quiet is not quiet: $(cat stderr)"
for left in nothing nothing.json nothing.safetensors; do [ -e $left ] && fault "a refused command left $left"; done

# FID and KID of few pictures, and of statistics.
"$random_networks" "$data" . || fault "no networks"
inception=(--inception-weights inception.safetensors)
mkdir one other two others
cp "$data/shapes/00.png" one/0.png
cp "$data/shapes/18.png" other/0.png
for i in 0 1; do cp "$data/shapes/0$i.png" two/$i.png; cp "$data/shapes/1$((8 + i)).png" others/$i.png; done
expect 0 '"fid": null' -- metrics one other --kid --json "${inception[@]}"
for key in fid_missing kid_missing warnings; do grep -q "\"$key\"" stdout || fault "no $key"; done
grep -q '"kid": null' stdout || fault "no word of KID"
grep -q 'there is no FID and no KID: it needs at least 2 pictures' stderr || fault "FID of one picture is left out without a word"
for kind in json md html; do
  expect 0 'there is no FID' -- report one other -o report.$kind "${inception[@]}"
  grep -q 'there is no FID' report.$kind || fault "report.$kind says nothing of FID"
done
expect 0 'FID of 2 pictures is too large' -- metrics two others --json --kid "${inception[@]}"
grep -q '"warnings"' stdout || fault "FID of two pictures is in the JSON without a warning"
grep -q 'KID of 2 pictures varies' stderr || fault "KID of two pictures comes without a warning"
few=$(number kid)
expect 0 'FID of 2' -- metrics two others --quiet --json --kid "${inception[@]}"
[ -s stderr ] && fault "--quiet is not quiet: $(cat stderr)"
# Statistics: KID where the features of every picture are there.
expect 0 '' -- metrics two --write-statistics bare.npz "${inception[@]}"
expect 0 '"pictures": 2' -- metrics two --write-statistics whole.npz --kid --json "${inception[@]}"
expect 2 'bare.npz holds their mean and covariance only' -- metrics bare.npz others --kid "${inception[@]}"
expect 2 'bare.npz holds their mean and covariance only' -- metrics others bare.npz --kid "${inception[@]}"
expect 0 'FID of 2 pictures' -- metrics bare.npz others --json "${inception[@]}"
expect 0 '"kid"' -- metrics whole.npz others --kid --json "${inception[@]}"
[ "$(number kid)" = "$few" ] || fault "another KID from stored features: $(number kid), not $few"
expect 0 '"kid"' -- metrics whole.npz whole.npz --kid --json
expect 2 '--kid needs --inception-weights' -- metrics two others --kid
expect 2 '--is-gt compares pictures' -- metrics bare.npz others --is-gt "${inception[@]}"
expect 2 '--per-image compares pictures' -- metrics bare.npz whole.npz --per-image
expect 2 '--lpips-weights compares pictures' -- metrics two --write-statistics two.npz --lpips-weights lpips.safetensors "${inception[@]}"
[ -e two.npz ] && fault "refused statistics were written"
exit "$failed"
