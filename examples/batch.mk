# batch.mk - keep a folder of pictures captioned in several languages: run it again whenever you like.
#
#   make -f examples/batch.mk -j2 PICTURES=photos WORK=work MODEL=ziya
#   make -f ... failed       pictures without captions, with the reason
#   make -f ... features     all features as one indexed file, for other questions and searches
#
# Only what is new or has changed is computed, what failed is tried again, what was deleted leaves the
# results; killed at any moment, the next run goes on from there. Results: WORK/captions.tsv and
# .jsonl, WORK/failed.tsv, WORK/report. Several hosts: parallel.sh; Slurm: slurm.sbatch; how it works
# and what else there is to set: batch/README.md.
PICTURES ?= pictures
WORK ?= work
MODEL ?= emoji
LANGUAGES ?= en zh
PROMPT_en ?= Describe the picture.
PROMPT_zh ?= 请描述这张图片。
GENERATE ?=
# N: shards, of which -j runs some at once; fixed by the first run.
N ?= $(or $(file <$(WORK)/shards),8)
export PICTURES WORK MODEL LANGUAGES GENERATE N $(LANGUAGES:%=PROMPT_%)
# -j gives each CPU a shard; the processes share the model's memory.
export ZV_THREADS ?= 1

HERE := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))/batch
STAGE = @sh "$(HERE)/$(1).sh" $(if $(filter /%,$(WORK)),,./)$(WORK)
SHARDS := $(shell seq $(N))
ifneq ($(words $(WORK)),1)
$(error WORK="$(WORK)": a folder whose name has no blanks, please)
endif

.PHONY: all scan shard merge features failed force
.DELETE_ON_ERROR:
.SECONDARY:
all merge: $(WORK)/captions.tsv
	$(call STAGE,report)

# 1. What is there, what is to be done. The file is touched only if there is something.
scan: $(WORK)/todo
ifeq ($(filter shard merge,$(MAKECMDGOALS)),)
$(WORK)/todo: force
	@mkdir -p $(WORK)
	$(call STAGE,scan)
else
$(WORK)/todo:
	@echo 'batch.mk: first "make -f batch.mk scan", once' >&2; exit 2
endif

# 2. Pictures to features, a cache a shard.
$(WORK)/done/%.features: $(WORK)/todo
	$(call STAGE,encode) $*
	@touch $@

# 3. Features to captions, a rule a language.
define captions
$(WORK)/done/%.$(1): $(WORK)/done/%.features $(WORK)/settings
	$$(call STAGE,caption) $$* $(1)
	@touch $$@
endef
$(foreach language,$(LANGUAGES),$(eval $(call captions,$(language))))

# One shard alone, between "scan" and "merge": a job of parallel.sh and slurm.sbatch. I=3
shard: $(LANGUAGES:%=$(WORK)/done/$(I).%)

# 4. All shards to one result.
$(WORK)/captions.tsv: $(foreach language,$(LANGUAGES),$(SHARDS:%=$(WORK)/done/%.$(language))) $(WORK)/keys
	$(call STAGE,merge)
$(WORK)/keys $(WORK)/settings: $(WORK)/todo ;

features: $(WORK)/features.zv.zvi
$(WORK)/features.zv: $(SHARDS:%=$(WORK)/done/%.features)
	@for i in $(SHARDS); do \
		[ ! -e "$(WORK)/features/$$i.zv" ] || zv-cat -q --newest --no-failed "$(WORK)/features/$$i.zv"; done >$@
$(WORK)/features.zv.zvi: $(WORK)/features.zv
	@zv-index $<

failed:
	@cat $(WORK)/failed.tsv
