# fixture.sh - what tests over all programs share: . "$ZV_TESTS/support/fixture.sh" after lib.sh.
# fixture_make puts the example files of the manual pages into the current directory;
# example PROGRAM tells how to run a program on them.
# shellcheck shell=sh disable=SC2034

# The programs of the tree, in pipeline order where there is one.
fixture_order='zv-encode zv-qformer zv-generate zv-tokenize zv-import zv-export zv-ls zv-cat zv-cmp zv-index zv-search zv-ask'
programs() {
	{
		echo "$fixture_order" | tr ' ' '\n'
		find "$ZV_ROOT/cmd" -name 'zv-*' | sort | sed 's/.*\///' | sed -n 's/^\(zv-[a-z]*\)\.\(c\|sh\)$/\1/p'
	} | awk '!seen[$0]++' | while read -r fixture_program; do
		[ -x "$ZV_BUILD/$fixture_program" ] && echo "$fixture_program"
	done
}
have() { [ -x "$ZV_BUILD/$1" ]; }

# Does the program's --help know this option?
knows() { "$ZV_BUILD/$1" --help 2>/dev/null | grep -qE -- "^ +(-[A-Za-z0-9], )?$2( |\$)|^ +$2(,| |\$)"; }

# Model directory ziya, pictures photo.jpg cat.jpg dog.jpg, their names in list, questions.tsv,
# photos.zv (vit features), feats.zv (contrast features), prompts.zv (soft prompts), text.
# bias.npy (a tensor). What the programs at hand cannot make is left out.
fixture_make() {
	cp "$ZV_ROOT/examples/pictures/balls.jpg" photo.jpg
	cp "$ZV_ROOT/examples/pictures/beach.jpg" cat.jpg
	cp "$ZV_ROOT/examples/pictures/snowman.jpg" dog.jpg
	printf 'photo.jpg\ncat.jpg\ndog.jpg\n' >list
	printf 'photo.jpg\tWhat is on the floor?\ncat.jpg\t球是什么颜色的？\ndog.jpg\tWho is this?\n' >questions.tsv
	printf 'a dog on the beach\n一只狗在海边\n' >text
	mkdir -p ziya
	[ -x "$ZV_BUILD/tools/seed-model" ] || return 1
	seed-model ziya >/dev/null || return 1
	have zv-export && zv-export -q --npy -k post_layernorm.bias -o bias.npy ziya/vit.zv
	have zv-encode || return 0
	zv-encode -q -m ziya -o photos.zv photo.jpg cat.jpg dog.jpg || return 1
	have zv-qformer || return 0
	zv-qformer -q -m ziya --contrast -o feats.zv photos.zv &&
		zv-qformer -q -m ziya -o prompts.zv photos.zv
}

# example PROGRAM: sets
#   args    arguments of a good run that reads files and writes to standard output
#   filter  arguments of the same run reading $input on standard input ("" if it never does)
#   input   that file; takes: pictures, stream or text
#   gives   tensors, text or nothing (on standard output)
# No argument holds a blank, so that $args can be split. Status 1: the program is not known here.
example() {
	args='' filter='' input='' takes='' gives=text
	case $1 in
	zv-encode) args='-m ziya photo.jpg cat.jpg dog.jpg' filter='-m ziya' input=photo.jpg takes=pictures gives=tensors ;;
	zv-qformer) args='-m ziya photos.zv' filter='-m ziya' input=photos.zv takes=stream gives=tensors ;;
	zv-generate) args='-m ziya -p Describe --max-new=4 prompts.zv' filter='-m ziya -p Describe --max-new=4' input=prompts.zv takes=stream ;;
	zv-tokenize) args='-m ziya text' filter='-m ziya' input=text takes=text ;;
	zv-import) args='--tensor bias.npy' input=bias.npy gives=tensors ;;
	zv-export) args='--json photos.zv' filter='--json' input=photos.zv takes=stream ;;
	zv-ls) args='photos.zv' filter=' ' input=photos.zv takes=stream ;;
	zv-cat) args='photos.zv' filter=' ' input=photos.zv takes=stream gives=tensors ;;
	zv-cmp) args='photos.zv photos.zv' filter='- photos.zv' input=photos.zv takes=stream gives=nothing ;;
	zv-index) args='photos.zv' gives=nothing ;;
	zv-search) args='-Q feats.zv feats.zv' filter='-Q feats.zv' input=feats.zv takes=stream ;;
	zv-ask) args='-m ziya photo.jpg Describe' gives=text ;;
	*) return 1 ;;
	esac
	[ -z "$input" ] || [ -e "$input" ]
}
