#!/usr/bin/env bash
# Prompt lists as other people write them, drawn by scalekv sample. Usage: lists.sh path/to/scalekv
# shellcheck source=tests/cli/expect.sh
source "$(dirname "$0")/expect.sh"
says() { grep -aqF -- "$2" <(tr '\0' '=' <"$1") || fault "$1 does not say $2"; }

printf 'id\tPrompt\tNote\n1\t a red "ring"\t\n\n2\ttwo stars \n' >parti.tsv
printf '\357\273\277sep=;\r\nPrompts;Category\r\n"a red ""ring""";x\r\ntwo stars;y\r\n' >drawbench.csv
printf 'a red "ring"\r\302\240\rtwo stars\342\200\213\r' >old.txt
echo '{"z": "a red \"ring\"", "../a": {"CAPTION": "two stars"}}' >ids.json
echo '{"images": [{"id": "b"}, {"id": 3}], "annotations": [{"image_id": 9, "caption": "x"}, {"image_id": "3", "caption": "two stars"}, {"image_id": "b", "caption": "a red \"ring\""}]}' >coco.json
for list in parti.tsv drawbench.csv old.txt ids.json; do
  expect 0 '2 of 2 pictures' -- sample --prompts $list -o "out-$list"
  says "out-$list/00000.png" 'prompt=a red "ring"'
  says "out-$list/00001.png" 'prompt=two stars'
  cmp -s "out-$list/00001.png" out-parti.tsv/00001.png || fault "$list draws another picture than parti.tsv"
done
expect 0 '2 of 2 pictures' -- sample --prompts coco.json -o out-coco
says out-coco/0001.png 'prompt=two stars'

printf 'id;title\n1;x\n' >title.csv
expect 1 'title.csv, line 1: no column is named prompt, .*found: "id", "title"' -- sample --prompts title.csv -o none
echo '{"a": {"title": "x"}}' >title.json
expect 1 'title.json, "a": the JSON object has no text named prompt, .*found: "title"' -- sample --prompts title.json -o none
echo '{"title": "x"}' >title.jsonl
expect 1 'title.jsonl, line 1: the JSON object has no text named .*found: "title"' -- calibrate --prompts title.jsonl -o none
printf '\377\376a\0\n\0' >wide.txt
expect 1 'wide.txt: the text is UTF-16' -- evaluate --prompts wide.txt -o none
[ -e none ] && fault "a refused list left something"
exit $failed
