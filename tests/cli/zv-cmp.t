# zv-cmp.t - equal, different, trouble; tolerances; matching
. "$ZV_TESTS/lib.sh"

make() { zvt-make "$1"; }
make a.zv <<'END'
1.jpg	vit	f32	2x3	1 2 3 4 5 100
2.jpg	ids	i32	3	1 2 30000
!3.jpg	is no picture
END
make b.zv <<'END'
1.jpg	vit	f32	2x3	1 2 3.5 4 5 100
2.jpg	ids	i32	3	1 2 30000
!3.jpg	is no picture
END
status 'a file and itself' 0 zv-cmp a.zv a.zv
is 'says nothing' "$(zv-cmp a.zv a.zv 2>&1)" ''
status 'another value' 1 zv-cmp a.zv b.zv
is 'is shown with its place' "$(zv-cmp a.zv b.zv)" "$(printf '1.jpg\tvit\tdiffers\t1 of 6 outside\tabs 0.5 at 0,2\trel 0.143 at 0,2\trel-max 0.005\tcosine 0.999987583')"
is '-q says nothing' "$(zv-cmp -q a.zv b.zv 2>&1)" ''
status '-q has the status' 1 zv-cmp -q a.zv b.zv
is '-v shows all' "$(zv-cmp -v a.zv b.zv 2>/dev/null | cut -f 1-3)" "$(printf '1.jpg\tvit\tdiffers\n2.jpg\tids\tsame\n3.jpg\t\tsame')"
like '-v sums up' "$(zv-cmp -v a.zv b.zv 2>&1 >/dev/null)" 'zv-cmp: 3 records compared, 1 differ; at most abs 0.5, *'
status '--atol just enough' 0 zv-cmp --atol 0.5 a.zv b.zv
status '--atol not enough' 1 zv-cmp --atol 0.49 a.zv b.zv
status '--rtol just enough, of the reference' 0 zv-cmp --rtol 0.142858 a.zv b.zv
status '--rtol the other way round' 1 zv-cmp --rtol 0.142858 b.zv a.zv
status '--rel-max just enough' 0 zv-cmp --rel-max 0.005 a.zv b.zv
status '--rel-max not enough' 1 zv-cmp --rel-max 0.0049 a.zv b.zv
ok 'json is JSON' python3 -c '
import json, subprocess
run = subprocess.run(["zv-cmp", "--json", "a.zv", "b.zv"], stdout=subprocess.PIPE)
records = [json.loads(line) for line in run.stdout.decode().splitlines()]
assert run.returncode == 1 and len(records) == 3
assert records[0]["max_abs"] == 0.5 and records[0]["max_abs_at"] == [0, 2] and not records[0]["same"]
assert records[1]["same"] and records[1]["cosine"] == 1'

# pair VALUES VALUES [DTYPE [DTYPE]]: x.zv and y.zv hold these
pair() {
	printf 'k\tx\t%s\t3\t%s\n' "${3:-f32}" "$1" | make x.zv
	printf 'k\tx\t%s\t3\t%s\n' "${4:-${3:-f32}}" "$2" | make y.zv
}
pair '1 nan 3' '1 nan 3'; status 'NaN equals NaN' 0 zv-cmp x.zv y.zv
pair '1 nan 3' '1 -nan 3'; status 'whatever its bits' 0 zv-cmp x.zv y.zv
pair '1 nan 3' '1 2 3'; status 'NaN against a number' 1 zv-cmp --atol 1e9 --rtol 1 --rel-max 1 x.zv y.zv
pair '1 2 3' '1 nan 3'; status 'a number against NaN' 1 zv-cmp --atol 1e9 --rtol 1 --rel-max 1 x.zv y.zv
pair '1 inf 3' '1 inf 3'; status 'infinity equals itself' 0 zv-cmp --rtol 1e-6 x.zv y.zv
pair '1 inf 3' '1 -inf 3'; status 'but not its opposite' 1 zv-cmp --atol 1e9 --rtol 1 --rel-max 1 x.zv y.zv
pair '1 2 3' '1 inf 3'; status 'a number against infinity' 1 zv-cmp --atol 1e9 --rtol 1 --rel-max 1 x.zv y.zv
pair '1 inf 3' '1 2 3'; status 'infinity against a number' 1 zv-cmp --atol 1e9 --rtol 1 --rel-max 1 x.zv y.zv
pair '0 1 2' '-0 1 2'; status 'zeros of either sign are not equal bit for bit' 1 zv-cmp x.zv y.zv
for option in --atol --rtol --rel-max; do
	status "but within any tolerance, $option 0 too" 0 zv-cmp $option 0 x.zv y.zv
done
pair '0 1 2' '0 1 2.0000002'; status 'a tolerance of 0 allows nothing else' 1 zv-cmp --atol 0 x.zv y.zv
pair '1 2 3' '1 2 4' i32; status 'integers are compared exactly' 1 zv-cmp --atol 5 --rtol 1 --rel-max 1 x.zv y.zv
pair '1 2 3' '1 2 4' bool; status 'bytes too' 1 zv-cmp --atol 5 x.zv y.zv
pair '1 2 3' '1 2 3' f32 bf16; status 'another dtype is a difference' 1 zv-cmp x.zv y.zv
status 'but values may be compared' 0 zv-cmp --atol 0 x.zv y.zv
like 'and is named' "$(zv-cmp x.zv y.zv)" '*dtype f32 against bf16'
pair '1 2 3' '1 2 3' f32 f16; status 'f32 against f16' 0 zv-cmp --rel-max 0 x.zv y.zv
pair '1 2.1 3' '1 2.1 3' f32 f16; status 'f32 against f16, rounded' 1 zv-cmp --rel-max 0 x.zv y.zv
pair '1 2 3' '1 2 3' f32 i32; status 'floats and integers are never equal' 1 zv-cmp --atol 1 x.zv y.zv
for dtype in f16 bf16 f64; do
	pair '1 2 3' '1 2.5 3' $dtype
	status "$dtype: different" 1 zv-cmp --atol 0.25 x.zv y.zv
	status "$dtype: within" 0 zv-cmp --atol 0.5 x.zv y.zv
done

# figures that a double cannot hold, or that are not there
pair '9007199254740993 1 1' '9007199254740992 1 1' u64
status 'u64 that are equal as doubles' 1 zv-cmp x.zv y.zv
like 'differ by one' "$(zv-cmp x.zv y.zv)" '*	1 of 3 outside	abs 1 at 0	*'
pair '18446744073709551615 1 1' '0 1 1' u64
like 'from end to end' "$(zv-cmp --json x.zv y.zv)" '*"max_abs":1.84467441e+19,"max_abs_at":?0],*'
pair '-9007199254740993 5 1' '-9007199254740992 5 1' i64
like 'i64 too' "$(zv-cmp x.zv y.zv)" '*	abs 1 at 0	*'
pair '-9223372036854775808 1 1' '9223372036854775807 1 1' i64
like 'however far apart' "$(zv-cmp --json x.zv y.zv)" '*"max_abs":1.84467441e+19,*'
pair '1e300 2e300 3e300' '1e300 2e300 3.1e300' f64
like 'squares past all doubles' "$(zv-cmp x.zv y.zv)" '*	cosine 0.999[0-9]*'
pair '1e-300 2e-300 3e-300' '1e-300 2e-300 3.1e-300' f64
like 'and squares that vanish' "$(zv-cmp x.zv y.zv)" '*	cosine 0.999[0-9]*'
pair '1.7e308 1 1' '-1.7e308 1 1' f64
status 'a difference past all doubles is finite' 0 zv-cmp --rtol 2 x.zv y.zv
for value in nan inf -inf; do
	pair "1 $value 3" '1 2 3'
	like "$value against a number has no cosine" "$(zv-cmp x.zv y.zv)" '*	cosine -'
	like "nor the other way round" "$(zv-cmp --json y.zv x.zv)" '*,"cosine":null}'
	like "nor in the sum" "$(zv-cmp -v y.zv x.zv 2>&1)" '*least cosine -'
done
pair '1 nan 3' '1 nan 4'
like 'what is no number on both sides is left out of it' "$(zv-cmp x.zv y.zv)" '*	cosine 0.99[0-9]*'
printf 'k\tx\tf32\t3x2\t1\n' | make x.zv
printf 'k\tx\tf32\t2x3\t1\n' | make y.zv
status 'another shape' 1 zv-cmp --atol 9 x.zv y.zv
printf 'k\tx\tf32\t0x2\t1\n' | make x.zv
status 'no elements' 0 zv-cmp x.zv x.zv
printf 'k\tx\tf32\tscalar\t1\n' | make x.zv
printf 'k\tx\tf32\tscalar\t2\n' | make y.zv
like 'a scalar' "$(zv-cmp x.zv y.zv)" '*abs 1 at 0*'

# matching
printf '2\tx\tf32\t1\t2\n1\tx\tf32\t1\t1\n' | make x.zv
printf '1\tx\tf32\t1\t1\n2\tx\tf32\t1\t2\n' | make y.zv
status 'another order' 0 zv-cmp x.zv y.zv
printf '1\tx\tf32\t1\t1\n' | make y.zv
is 'a record is missing' "$(zv-cmp x.zv y.zv)" "$(printf '2\tx\tonly in the first')"
is 'in the other' "$(zv-cmp y.zv x.zv)" "$(printf '2\tx\tonly in the reference')"
printf '1\tx\tf32\t1\t1\n1\tx\tf32\t1\t2\n' | make x.zv
printf '1\tx\tf32\t1\t2\n1\tx\tf32\t1\t1\n' | make y.zv
status 'records of one key pair up in order' 1 zv-cmp x.zv y.zv
printf '!1\twhy\n' | make x.zv
printf '1\t\tf32\t1\t2\n' | make y.zv
like 'failed in one' "$(zv-cmp x.zv y.zv)" '*failed in the first only'
printf '!1\tbecause\n' | make y.zv
status 'failed for another reason' 1 zv-cmp x.zv y.zv
status 'standard input' 0 sh -c 'cat a.zv | zv-cmp - a.zv'

# trouble
status 'a file that is absent' 2 zv-cmp a.zv absent.zv
head -c 100 a.zv >cut.zv
status 'a truncated file' 2 zv-cmp cut.zv a.zv
status 'a truncated reference' 2 zv-cmp a.zv cut.zv
status 'one file' 2 zv-cmp a.zv
status 'twice standard input' 2 zv-cmp - -
status 'a full disk' 2 sh -c 'zv-cmp -v a.zv b.zv >/dev/full'
finish
