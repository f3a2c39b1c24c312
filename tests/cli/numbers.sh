#!/usr/bin/env bash
# Numbers as people write them on the command line: every option takes the same forms and refuses the same, in one
# sentence that names it. Usage: numbers.sh path/to/scalekv
# shellcheck source=tests/cli/expect.sh
source "$(dirname "$0")/expect.sh"
says() { grep -aqF -- "$2" <(tr '\0' '=' <"$1") || fault "$1 does not say $2"; }
pixels() { tail -c +"$(grep -aob IDAT "$1" | head -n 1 | cut -d : -f 1)" "$1"; }
same() { cmp -s <(pixels "$1") <(pixels "$2") || fault "$1 and $2 are different pictures"; }
printf 'a red circle\ntwo green stars\n' >prompts.txt
echo '{"prompt":"a red circle","category":"single","objects":[{"shape":"circle","colour":"red","count":1,"size":null}],"relation":null,"background":null,"unseen":false}' >captions.jsonl

# Every numeric option of every command refuses what is no number. COMMAND OPTION...: with what the command needs besides.
junk=('' ' ' x 5x '5 6' 0x10 nan inf 1e999)
refuse() {
  for value in "${junk[@]}"; do expect 2 "^scalekv: $1: '$value' is " -- "${@:2}" "$1" "$value"; done
}
for option in --seed --cfg --tau --top-p --top-k --guidance-layer --images --batch --threads; do refuse $option generate x; done
for option in --batch --prompt-tokens --threads; do refuse $option plan; done
for option in --batch --batches --prompt-tokens --scales --threads; do refuse $option bench; done
for option in --count --images-per-prompt --seed --threads; do refuse $option sample --prompts prompts.txt -o out; done
for option in --count --strips --seed; do refuse $option evaluate --prompts prompts.txt -o out; done
for option in --count --seed; do refuse $option evaluate-shapes --captions captions.jsonl; done
for option in --count --seed; do refuse $option calibrate --prompts prompts.txt; done
for option in --default-cfg --default-tau; do refuse $option convert -o out.safetensors; done
refuse --threads metrics a b
refuse --threads report a b
refuse --seed compare x
[ -e out ] || [ -e out.safetensors ] || [ -e scalekv.png ] && fault "a refused request left something"

for option in --seed --top-k --guidance-layer --images --batch --threads; do
  expect 2 "^scalekv: $option: '99999999999999999999999' is " -- generate x $option 99999999999999999999999
done

# What is out of range is told from what is no number by what may be written.
expect 2 "^scalekv: --threads: '0' .*from 1 to 1024" -- generate x --threads 0
expect 2 "^scalekv: --count: '-1' .*from 0 to" -- sample --prompts prompts.txt -o out -n -1
expect 2 "^scalekv: --prompt-tokens: '513' .*from 1 to 512" -- plan --prompt-tokens 513
expect 2 "^scalekv: --images: '2147483648' " -- generate x --images 2147483648
expect 2 "^scalekv: --cfg: '' " -- generate x --cfg 3,,4
expect 2 "^scalekv: --cfg: '4x' " -- generate x --cfg 3,4x
expect 2 "^scalekv: --cfg: '1e39' " -- generate x --cfg 1e39
expect 2 "^scalekv: --default-tau: '0' .*at least 0.001" -- convert -o out.safetensors --default-tau 0
expect 2 "'1/' makes no sense" -- sample --prompts prompts.txt -o out --shard 1/
expect 2 "'0x0/2' makes no sense" -- sample --prompts prompts.txt -o out --shard 0x0/2
expect 2 "'2x' is no number of layers" -- plan --arch infinity-2b:2x

# What is a number, however it is written; 010 is ten.
draw=(generate "a red circle" --size 0.06M)
expect 0 'png' -- "${draw[@]}" --seed 10 --cfg 3 --tau 0.5 -o ten.png
expect 0 'png' -- "${draw[@]}" --seed 010 --cfg 3.0 --tau 5e-1 -o zero-ten.png
expect 0 'png' -- "${draw[@]}" --seed ' +10' --cfg ' 3 ,' --tau .5 -o spaced.png
same ten.png zero-ten.png
same ten.png spaced.png
expect 0 'png' -- "${draw[@]}" --seed 10 --cfg 3,3,3,3,3,3,3 --tau 0.5 -o list.png
expect 0 'png' -- "${draw[@]}" --seed 10 --tau 0.5 -o separate.png --cfg 3 3 3 3 3 3 3
same ten.png list.png
same ten.png separate.png
expect 0 'png' -- "${draw[@]}" --seed 18446744073709551615 -o largest.png
says largest.png 'seed=18446744073709551615'

# Amounts of memory.
for amount in 8G 8GB 8g '8 GB' 8e9 8000M 8000000000; do
  expect 0 '"available_bytes": 8000000000' -- plan --json --memory-limit "$amount"
done
for amount in 8GiB 8Gi 8gib 8192MiB; do expect 0 '"available_bytes": 8589934592' -- plan --json --memory-limit "$amount"; done
for amount in '' 0 -1G G 8X 8GBs 8iB nan inf 0x8G 1e30; do
  expect 2 "^scalekv: --memory-limit: '$amount' is no amount of memory; write 8GB" -- plan --memory-limit "$amount"
done

# Aspect ratios: what the table of schedules has, rounded at most.
for aspect in 3:1 1:3 16:9 ' 16 : 9 ' 0.333 0.33 3 square 1024:1024; do expect 0 'fits' -- plan --aspect "$aspect"; done
for aspect in 4:1 1:4 3.2 0.3 1e9 1e-9; do expect 2 "aspect ratio '$aspect' is not possible.*3:1.*1:3" -- plan --aspect "$aspect"; done
for aspect in '' 0 -1 16:0 0:9 -16:9 nan inf nan:1 16:9:1 16x9 0x1 : 16:; do
  expect 2 "'$aspect' is not an aspect ratio; write" -- generate x --aspect "$aspect"
done
for budget in '' ' ' 10x nan inf 0x1 % 10%%; do expect 2 "'$budget' is not a cache budget" -- plan --budget "$budget"; done
for budget in 10% ' 10%' 0.1 .1 full; do expect 0 'fits' -- plan --budget "$budget"; done

# A sentence is one line, whatever it repeats.
expect 2 "^scalekv: --seed: '1 2' is no seed" -- generate x --seed $'1\n2'
expect 2 "no cache policy 'a b'" -- generate x --policy $'a\nb'

# Seeds by chance: said in the report, as JSON and in the picture, and what draws it again. Two runs have two.
for seed in -2 -18446744073709551615 1.5; do expect 2 "'$seed' is no seed; write .* -1 for one by chance" -- generate x --seed "$seed"; done
seed_of() { sed -n "s/.*from seed \([0-9]*\) .*/\1/p" stdout | head -n 1; }
expect 0 'from seed [0-9]+ in' -- generate "a red circle" --seed -1 -o chance.png
seed=$(seed_of)
[ "$seed" -le 4294967295 ] || fault "a seed by chance is $seed"
says chance.png "seed=$seed"
expect 0 'png' -- generate "a red circle" --seed "$seed" -o again.png
same chance.png again.png
expect 0 '"seed": [0-9]+,' -- generate "a red circle" --seed=-1 --json -o other.png
[ "$(number seed)" != "$seed" ] || fault "two seeds by chance are $seed"
says other.png "seed=$(number seed)"
expect 0 '"seed": 7,' -- generate "a red circle" --seed 7 --json -o seven.png
expect 0 '"seed": [0-9]+' -- compare "a red circle" --seed -1 --json -o compared
for file in full adaptive; do says compared/$file.png "seed=$(number seed)"; done
expect 0 'pictures of seed 7:' -- compare "a red circle" --seed 7 -o compared
expect 0 '"seed": [0-9]+' -- evaluate-shapes --captions captions.jsonl --seed -1 --json -q

# A run that goes on with a seed by chance has the one that it began with, and says which; another one is refused.
sample=(sample --prompts prompts.txt -o sampled)
expect 0 '2 of 2 .* from seed [0-9]+ on' -- "${sample[@]}" --seed -1
seed=$(seed_of)
says sampled/00001.png "seed=$((seed + 1))"
rm sampled/00001.png
expect 0 "1 of 2 .* from seed $seed on" -- "${sample[@]}" --seed -1
says sampled/00001.png "seed=$((seed + 1))"
expect 0 "\"seed\": $seed" -- "${sample[@]}" --seed -1 --json
expect 1 "seed was $seed and is 5" -- "${sample[@]}" --seed 5
expect 2 'the seed 18446744073709551615 leaves fewer than the 2 seeds' -- sample --prompts prompts.txt -o out --seed 18446744073709551615
expect 2 'leaves fewer than the 2 seeds' -- calibrate --prompts prompts.txt -o out.json --seed 18446744073709551615
expect 2 'leaves fewer than the 2 seeds' -- evaluate --prompts prompts.txt -o out --seed 18446744073709551615
[ -e out ] || [ -e out.json ] && fault "a refused run left something"
expect 0 'from seed [0-9]+ on' -- calibrate --prompts prompts.txt -n 1 --seed -1 -o measured.json
seed=$(seed_of)
expect 0 "2 prompts .* from seed $seed on" -- calibrate --prompts prompts.txt --seed -1 -o measured.json
expect 0 "\"seed\": $seed" -- calibrate --prompts prompts.txt --seed -1 --json -o measured.json
expect 1 "seed was $seed and is 5" -- calibrate --prompts prompts.txt --seed 5 -o measured.json
evaluate=(evaluate --prompts prompts.txt -n 1 --policies "full,snapkv" --budgets "10," --strips 0 -o evaluated)
expect 0 'from seed [0-9]+ on' -- "${evaluate[@]}" --seed -1
seed=$(sed -n 's/.*pictures from seed \([0-9]*\) on.*/\1/p' stdout)
expect 0 "\"seed\": $seed," -- "${evaluate[@]}" --seed -1 --json
expect 1 "seed was $seed and is 5" -- "${evaluate[@]}" --seed 5
exit $failed
