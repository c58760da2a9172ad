#!/bin/sh
# tokenizers.t - zv-tokenize against reference data: sentencepiece, the slow LlamaTokenizer of
# transformers 4.33 and 4.41, google's BERT tokenizer, LAVIS' clean-up. 0 differences.
. "$ZV_TESTS/lib.sh"
need_shared oracles/llama-tokenizer
llama=$ZV_SHARED/oracles/llama-tokenizer bert=$ZV_SHARED/oracles/bert-wordpiece
zoo=$ZV_SHARED/zoo/A

# --- lines of text
zv-tokenize --plain --tokenizer "$llama/tokenizer.model" "$llama/lines.txt" >ids
same "spm_encode's ids of 3,048 lines" ids "$llama/lines.ids"
zv-tokenize --plain --pieces --tokenizer "$llama/tokenizer.model" "$llama/lines.txt" >pieces
same "spm_encode's pieces" pieces "$llama/lines.pieces"
zv-tokenize -d --tokenizer "$llama/tokenizer.model" "$llama/lines.ids" >decoded
same "spm_decode's texts" decoded "$llama/lines.decoded"
for kind in uncased chinese; do
	zv-tokenize --word-most 200 --tokenizer "$bert/bert-base-$kind-vocab.txt" "$bert/lines.txt" >ids
	same "BERT $kind, ids of 1,560 lines" ids "$bert/lines.$kind.ids"
	zv-tokenize --word-most 200 -p --tokenizer "$bert/bert-base-$kind-vocab.txt" "$bert/lines.txt" >pieces
	same "BERT $kind, pieces" pieces "$bert/lines.$kind.pieces"
done

# --- models that would be tokenised wrongly are refused
for model in test_model test_ja_model; do
	file=$ZV_SHARED/oracles/sentencepiece/python/test/$model.model
	status "$model.model is refused" 2 zv-tokenize --tokenizer "$file" "$llama/lines.txt"
	like "and the message says why" "$tap_out" "*unigram*"
done

# --- the zoo's tokenizer. json FILE FIELD: that field of each line, as zv-tokenize writes it
json() {
	python3 - "$1" "$2" <<'PYTHON'
import json, sys
for line in open(sys.argv[1], encoding="utf-8"):
    value = json.loads(line)[sys.argv[2]] if sys.argv[2] in json.loads(line) else None
    if isinstance(value, list):
        print(*value)
    elif value is not None:
        for character, escape in ("\\", "\\\\"), ("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r"):
            value = value.replace(character, escape)
        value = "".join("".join("\\x%02X" % b for b in c.encode()) if ord(c) < 32 or 127 <= ord(c) < 160 else c
                        for c in value)
        sys.stdout.buffer.write((value + "\n").encode())
PYTHON
}
printf '1598\tstrip\t<human>\n1599\tstrip\t<bot>\n0\tkeep\t<unk>\n1\tkeep\t<s>\n2\tkeep\t</s>\n' >added
tokenize() { zv-tokenize --tokenizer "$zoo/hf-blip2/tokenizer.model" --added-tokens added --escaped "$@"; }

json "$zoo/tokenizer/lines.jsonl" text >texts
json "$zoo/tokenizer/lines.jsonl" ids >wanted
tokenize --plain texts >ids
same "sentencepiece's ids of 500 texts, up to 20,000 characters" ids wanted
json "$zoo/tokenizer/lines.jsonl" decoded >wanted
tokenize -d ids >decoded
same "and its decoded texts" decoded wanted
json "$zoo/tokenizer/decode.jsonl" ids >given
json "$zoo/tokenizer/decode.jsonl" decoded >wanted
tokenize -d given >decoded
same "loose bytes decode as sentencepiece decodes them" decoded wanted
: >streamed
while read -r line; do echo "$line" | tokenize -d --stream >>streamed; done <given
same "one by one, too" streamed wanted

json "$zoo/tokenizer/chat.jsonl" text >texts
for added in strip keep; do
	for prefix in legacy modern; do
		json "$zoo/tokenizer/chat.jsonl" ${added}_$prefix >wanted
		tokenize --added $added --$prefix texts >ids
		same "37 chats, $added, $prefix" ids wanted
	done
done
tokenize texts >ids
json "$zoo/tokenizer/chat.jsonl" strip_legacy >wanted
same "what the list of added tokens says is the default" ids wanted
json "$zoo/tokenizer/chat.jsonl" decoded_strip_legacy >wanted
tokenize -d --special ids >decoded
same "decoded with added tokens" decoded wanted
# The slow tokenizer takes two blanks from the beginning ("<unk> x" is "x"), sentencepiece one; we
# follow sentencepiece, so that a text with a blank in front comes back as it was.
json "$zoo/tokenizer/chat.jsonl" decoded_skip_special_strip_legacy >wanted
is "one text begins with two blanks" "$(sed -n 34p texts)=$(sed -n 34p wanted)" "<unk> x=x"
sed -i '34s/^x$/ x/' wanted
tokenize -d ids >decoded
same "decoded without added tokens" decoded wanted

# --- LAVIS' clean-up, seen through ids and back
python3 - "$zoo/hf-itm/expected.json" <<'PYTHON'
import json, sys
cases = json.load(open(sys.argv[1], encoding="utf-8"))["cleanup"]
texts = {name: [case[name] for case in cases] for name in ("raw", "caption", "question", "caption_prompt")}
for name, lines in texts.items():
    with open("cleanup." + name, "wb") as out:
        for line in lines:
            line = line.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
            out.write((line + "\n").encode())
PYTHON
for kind in caption question; do
	tokenize --plain --clean $kind cleanup.raw | tokenize -d >cleaned
	same "clean-up of a $kind" cleaned cleanup.$kind
done
tokenize --plain --clean caption --prompt 'a photo of ' cleanup.raw | tokenize -d >cleaned
same "clean-up with a prompt" cleaned cleanup.caption_prompt

# --- the Q-Former's ids, [CLS] and [SEP] in place, cut at 35
python3 - "$zoo/hf-itm/expected.json" <<'PYTHON'
import json, sys
expected = json.load(open(sys.argv[1], encoding="utf-8"))
open("texts", "w", encoding="utf-8").write("".join(text + "\n" for text in expected["texts"]))
open("wanted", "w").write("".join(" ".join(map(str, ids)) + "\n" for ids in expected["ids"]))
PYTHON
zv-tokenize --tokenizer "$zoo/hf-itm/vocab.txt" --framed --most 35 texts >ids
same "BertTokenizer's ids of 8 texts" ids wanted

finish
