# recipe.mk - the emoji model from nothing, stage by stage (included by Makefile). A stage that was
# killed goes on from its checkpoint; its figures are in $(WORK)/STAGE.log.
#
#   make model      all stages, then $(WORK)/emoji: the model in f16
#   make embedded   the same, copied to examples/emoji/model
#
# STAGE.done says that a stage is through: parts that it left alone are links to older files.
# THREADS: compute threads; WARM: steps of warm-up. STEPS of a stage are for batches of 64 examples.

THREADS ?= $(shell nproc)
TEXT_STEPS ?= 4800
WINDOW_STEPS ?= 9300
SCENE_STEPS ?= 3000
CELL_STEPS ?= 6000
CONTRAST_STEPS ?= 4000
SINGLE_STEPS ?= 800
GENERATE_STEPS ?= 5000
INSTRUCT_STEPS ?= 12000
LAST_STEPS ?= 3500
WARM ?= 100

model: $(WORK)/emoji.done
embedded: $(WORK)/emoji.done
	mkdir -p $(HERE)/model
	cp $(WORK)/emoji/*.zv $(HERE)/model

ZV = cd $(WORK) && PATH=$(BUILD):$$PATH
TRAIN = zv-train -t $(THREADS) --clip 1 --dropout 0 --least-rate 5e-5 --warm-up $(WARM) --resume
ON_FEATURES = --features features.zv --features features-valid.zv

.PHONY: model embedded programs
programs: $(SCENES) $(SCORE)
	$(MAKE) -C $(ROOT) BUILD=$(BUILD) programs

# The parts with random weights.
$(WORK)/begin.done: | programs
$(WORK)/begin.done: $(HERE)/emoji.conf $(WORK)/tokenizer.model $(WORK)/vocab.txt
	cp $(HERE)/emoji.conf $(WORK)
	$(ZV) zv-train new --config emoji.conf --seed 1 --force -o begin
	touch $@

# Both languages, and answers in their form, from texts about scenes that nobody painted.
$(WORK)/text.done: $(WORK)/begin.done $(WORK)/text-train.jsonl
	$(ZV) $(TRAIN) text -m begin -o text -b 64 --steps $(TEXT_STEPS) --rate 2e-3 \
		--log text.log text-train.jsonl
	touch $@

# What things are: one object, from the middle outwards, so the files come in their order.
$(WORK)/windows.done: $(WORK)/text.done $(WORK)/windows-train.jsonl $(WORK)/windows-valid.jsonl
	$(ZV) $(TRAIN) classify -m text -o windows -b 64 --steps $(WINDOW_STEPS) --rate 1e-3 --side 0 \
		--in-order --train vit --valid windows-valid.jsonl --log windows.log windows-train.jsonl
	touch $@

# What stands where: each patch says its place as well, each query what lies in its cell.
$(WORK)/scenes.done: $(WORK)/windows.done $(WORK)/scenes-train.jsonl $(WORK)/scenes-valid.jsonl
	$(ZV) $(TRAIN) classify -m windows -o scenes -b 64 --steps $(SCENE_STEPS) --rate 1e-3 --side 0 \
		--places --train vit,ln-vision,queries,qformer --rates vit=0.7 --valid scenes-valid.jsonl \
		--log scenes.log scenes-train.jsonl
	touch $@

# The encoder is frozen from here: features of all scenes, once.
$(WORK)/features.zv: $(WORK)/scenes.done
	$(ZV) && for set in valid train; do \
		emoji-score pictures -s scenes-$$set.jsonl >$$set.list || exit; done
	$(ZV) zv-encode -m scenes -t $(THREADS) --dtype f16 -o features-valid.zv -T valid.list
	$(ZV) zv-encode -m scenes -t $(THREADS) --dtype f16 -o features.zv -T train.list
	$(ZV) zv-index features-valid.zv features.zv

$(WORK)/cells.done: $(WORK)/features.zv
	$(ZV) $(TRAIN) classify -m scenes -o cells $(ON_FEATURES) -b 64 --steps $(CELL_STEPS) --rate 1e-3 \
		--train queries,qformer --valid scenes-valid.jsonl --log cells.log scenes-train.jsonl
	touch $@

$(WORK)/contrast.done: $(WORK)/cells.done
	$(ZV) $(TRAIN) contrast -m cells -o contrast $(ON_FEATURES) -b 64 --steps $(CONTRAST_STEPS) \
		--rate 1e-3 --train queries,qformer,text,heads --rates queries=0.3,qformer=0.3 \
		--match-share 0.25 --wrong-share 0.5 --text-most 40 --valid scenes-valid.jsonl \
		--log contrast.log scenes-train.jsonl
	touch $@

# The Q-Former is frozen from here, so that what contrast taught it stays: retrieval by its heads. The
# language model learns to read soft prompts from scenes with one thing first.
$(WORK)/single.done: $(WORK)/contrast.done
	awk -F '"kind":' 'NF == 2' $(WORK)/scenes-train.jsonl >$(WORK)/scenes-single.jsonl
	$(ZV) $(TRAIN) generate -m contrast -o single $(ON_FEATURES) -b 64 --steps $(SINGLE_STEPS) \
		--rate 2e-3 --train projection,llm --log single.log scenes-single.jsonl
	touch $@

$(WORK)/generate.done: $(WORK)/single.done
	$(ZV) $(TRAIN) generate -m single -o generate $(ON_FEATURES) -b 64 --steps $(GENERATE_STEPS) \
		--rate 1.5e-3 --train projection,llm --valid scenes-valid.jsonl --log generate.log \
		scenes-train.jsonl
	touch $@

$(WORK)/instruct.done: $(WORK)/generate.done
	$(ZV) $(TRAIN) instruct -m generate -o instruct $(ON_FEATURES) -b 64 --steps $(INSTRUCT_STEPS) \
		--rate 1.5e-3 --train projection,lora --lora 16 --lora-alpha 32 --lora-dropout 0 \
		--lora-targets q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj --merge \
		--valid scenes-valid-instruct.jsonl --log instruct.log scenes-train-instruct.jsonl
	touch $@

# Questions and captions in equal parts, the whole language model.
$(WORK)/emoji.done: $(WORK)/instruct.done
	$(ZV) $(TRAIN) instruct -m instruct -o emoji $(ON_FEATURES) -b 64 --steps $(LAST_STEPS) \
		--rate 7e-4 --train projection,llm --dtype f16 --valid scenes-valid-instruct.jsonl --log emoji.log \
		scenes-train-instruct.jsonl=1 scenes-train.jsonl=1
	touch $@
