"""foreign-files.py - good and bad foreign files for tests. usage: foreign-files.py KIND DIRECTORY
KIND: safetensors, npy, torch, zip, legacy, index, or large (one file of more than 4 GB). What is
wrong with each file is told by a sentence in tests/format/KIND/README (zip, legacy: torch/README).
"""
import json
import os
import struct
import sys
import zlib
sys.dont_write_bytecode = True
from checkpoint import (F4, ITEM, ORDERED, MAGIC, REBUILD, Zip, dictionary, entry, glob, npy, number, numbers,
                        pickled, ramp, safetensors, short_text, state, storage, tensor, text, torch_large,
                        torch_legacy, torch_zip, tuple_of)

COMMAND = text('touch PWNED')


def safetensors_files():
    two = {'b': entry('F32', [2, 2], 0), 'a': entry('BF16', [3], 16)}
    data = F4 + ramp('BF16', 3)
    one = entry('F32', [4], 0)
    dtypes, place, body = {}, 0, b''
    for dtype in sorted(ITEM):
        elements = 2 if dtype == 'BOOL' else 3
        dtypes[dtype] = entry(dtype, [elements], place)
        body += ramp(dtype, elements)
        place = len(body)

    def with_entry(**changes):
        return safetensors({'a': {**one, **changes}}, F4)
    yield 'good-two', safetensors(two, data)
    yield 'good-metadata', safetensors({'__metadata__': {'format': 'pt'}, **two}, data)
    yield 'good-padded', safetensors(json.dumps(two) + ' ' * 13, data)
    yield 'good-dtypes', safetensors(dtypes, body)
    yield 'good-scalar', safetensors({'s': entry('F32', [], 0)}, F4[:4])
    yield 'good-empty-tensor', safetensors({'e': entry('F32', [0, 7], 4), 'a': entry('F32', [1], 0),
                                            'd': entry('F32', [0], 0)}, F4[:4])
    yield 'bad-empty', b''
    yield 'bad-seven-bytes', b'\2\0\0\0\0\0\0'
    yield 'bad-length-0', safetensors('', b'{}', 0)
    yield 'bad-length-beyond-file', safetensors({'a': one}, b'', 10000)
    yield 'bad-length-beyond-limit', safetensors({'a': one}, F4, 100000001)
    yield 'bad-length-wraps', safetensors({'a': one}, F4, 2**64 - 8)
    yield 'bad-blank-first', safetensors(' ' + json.dumps({'a': one}), F4)
    yield 'bad-array', safetensors('[1]', b'')
    yield 'bad-json', safetensors('{"a": ', F4)
    yield 'bad-json-trailing', safetensors(json.dumps({'a': one}) + 'x', F4)
    yield 'bad-json-nan', safetensors('{"a": NaN}', F4)
    yield 'bad-deep', safetensors('{"a":' + '[' * 3000 + ']' * 3000 + '}', b'')
    yield 'bad-name-twice', safetensors('{"a":%s,"a":%s}' % (json.dumps(one), json.dumps(one)), F4)
    yield 'bad-member-twice', safetensors('{"a":' + json.dumps(one)[:-1] + ',"dtype":"I32"}}', F4)
    yield 'bad-name-nul', safetensors('{"a\\u0000b":%s}' % json.dumps(one), F4)
    yield 'bad-name-control', safetensors('{"a\\nb":%s}' % json.dumps(one), F4)
    yield 'bad-name-empty', safetensors({'': one}, F4)
    yield 'bad-name-long', safetensors({'n' * 1025: one}, F4)
    yield 'bad-name-utf8', safetensors(b'{"\xff":' + json.dumps(one).encode() + b'}', F4)
    yield 'bad-metadata-number', safetensors({'__metadata__': {'a': 1}, 'a': one}, F4)
    yield 'bad-metadata-text', safetensors({'__metadata__': 'pt', 'a': one}, F4)
    yield 'bad-entry-text', safetensors({'a': 'F32'}, b'')
    yield 'bad-entry-more', with_entry(more=1)
    yield 'bad-entry-less', safetensors({'a': {'dtype': 'F32', 'shape': [4]}}, F4)
    yield 'bad-dtype-unknown', with_entry(dtype='F31')
    yield 'bad-dtype-number', with_entry(dtype=32)
    yield 'bad-dtype-size', with_entry(dtype='F64')
    yield 'bad-shape-size', with_entry(shape=[3])
    yield 'bad-shape-negative', with_entry(shape=[-4])
    yield 'bad-shape-real', with_entry(shape=[4.0])
    yield 'bad-shape-text', with_entry(shape='4')
    yield 'bad-shape-nine', with_entry(shape=[1] * 8 + [4])
    yield 'bad-shape-wraps', with_entry(shape=[2**42 + 1, 2**22])
    yield 'bad-shape-wraps-to-0', with_entry(shape=[2**32, 2**32, 4])
    yield 'bad-shape-huge-beside-0', with_entry(shape=[2**40, 2**40, 0], data_offsets=[0, 0])
    yield 'bad-offsets-reversed', with_entry(data_offsets=[16, 0])
    yield 'bad-offsets-negative', with_entry(data_offsets=[-16, 0])
    yield 'bad-offsets-beyond', with_entry(data_offsets=[16, 32])
    yield 'bad-offsets-three', with_entry(data_offsets=[0, 8, 16])
    yield 'bad-offsets-too-big', with_entry(data_offsets=[0, 2**64])
    yield 'bad-hole', safetensors({'a': entry('F32', [1], 0), 'b': entry('F32', [2], 8)}, F4)
    yield 'bad-hole-first', safetensors({'a': entry('F32', [3], 4)}, F4)
    yield 'bad-overlap', safetensors({'a': one, 'b': entry('F32', [2], 8)}, F4)
    yield 'bad-same-place', safetensors({'a': one, 'b': one}, F4)
    yield 'bad-trailing', safetensors({'a': one}, F4 + b'x')
    yield 'bad-none', safetensors({}, b'')
    yield 'bad-lfs-pointer', b'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n'


def npy_files():
    def header(descr="'<f4'", order='False', shape='(2, 3)', end=', }'):
        return "{'descr': %s, 'fortran_order': %s, 'shape': %s%s" % (descr, order, shape, end)
    six = ramp('F32', 6)
    yield 'good-c', npy(header(), six)
    yield 'good-fortran', npy(header(order='True'), six)
    yield 'good-version-2', npy(header(), six, (2, 0))
    yield 'good-version-3', npy(header(), six, (3, 0))
    yield 'good-scalar', npy(header(shape='()'), six[:4])
    yield 'good-vector', npy(header(shape='(6,)'), six)
    yield 'good-empty', npy(header(shape='(0, 3)'), b'')
    yield 'good-u1', npy(header("'|u1'", shape='(6,)'), bytes(range(6)))
    yield 'good-i8', npy(header("'<i8'", shape='(2,)'), ramp('I64', 2))
    yield 'good-other-order', npy('{"shape": (6,), "descr": "<f4", "fortran_order": False}', six)
    yield 'bad-magic', b'\x93NUMPX' + npy(header(), six)[6:]
    yield 'bad-version-4', npy(header(), six, (4, 0))
    yield 'bad-version-minor', npy(header(), six, (1, 1))
    yield 'bad-length', npy(header(), six, length=60000)
    yield 'bad-length-huge', npy(header(), six, (2, 0), length=2**32 - 1)
    yield 'bad-short', npy(header(), six[:-1])
    yield 'bad-trailing', npy(header(), six + b'x')
    yield 'bad-big-endian', npy(header("'>f4'"), six)
    yield 'bad-object', npy(header("'|O'"), six)
    yield 'bad-text', npy(header("'<U4'"), six)
    yield 'bad-records', npy(header("[('a', '<f4')]"), six)
    yield 'bad-complex', npy(header("'<c8'"), six)
    yield 'bad-no-shape', npy("{'descr': '<f4', 'fortran_order': False, }", six)
    yield 'bad-key-twice', npy(header(end=", 'shape': (2, 3), }"), six)
    yield 'bad-key-unknown', npy(header(end=", 'more': 1, }"), six)
    yield 'bad-call', npy(header(shape="__import__('os').system('touch PWNED')"), six)
    yield 'bad-expression', npy(header(shape='(2*3,)'), six)
    yield 'bad-shape-number', npy(header(shape='(6)'), six)
    yield 'bad-shape-negative', npy(header(shape='(-6,)'), six)
    yield 'bad-shape-octal', npy(header(shape='(06,)'), six)
    yield 'bad-shape-long', npy(header(shape='(6L,)'), six)
    yield 'bad-shape-nine', npy(header(shape='(1, 1, 1, 1, 1, 1, 1, 1, 6)'), six)
    yield 'bad-shape-wraps', npy(header(shape='(4294967296, 4294967296, 6)'), six)
    yield 'bad-shape-too-big', npy(header(shape='(99999999999999999999,)'), six)
    yield 'bad-order', npy(header(order='0'), six)
    yield 'bad-unclosed', npy(header(end=''), six)
    yield 'bad-after-dict', npy(header(end=', } x'), six)
    yield 'bad-newline-inside', npy(header(end=', }\n '), six)
    yield 'bad-quote', npy(header("'<f4"), six)
    yield 'bad-no-comma', npy("{'descr': '<f4' 'fortran_order': False, 'shape': (6,)}", six)


def with_key(body, data=F4):
    """A dictionary {"a": body} in a zip container with one storage."""
    return torch_zip(pickled(dictionary([(text('a'), body)])), {'0': data}).bytes()


def good_tensor(key='0'):
    return tensor(storage('Float', key, 4), [2, 2])


def call(function, *arguments):
    return function + tuple_of(*arguments) + b'R'


def named_calls():
    """Names that would run something when called, each called with a command."""
    names = [('os', 'system'), ('posix', 'system'), ('nt', 'system'), ('subprocess', 'Popen'),
             ('subprocess', 'check_output'), ('builtins', 'eval'), ('builtins', 'exec'),
             ('builtins', 'getattr'), ('builtins', '__import__'), ('builtins', 'open'),
             ('builtins', 'print'), ('__builtin__', 'eval'), ('__builtin__', 'set'),
             ('copyreg', '_reconstructor'), ('copy_reg', '_reconstructor'),
             ('copyreg', '__newobj__'), ('operator', 'attrgetter'), ('operator', 'methodcaller'),
             ('functools', 'partial'), ('runpy', '_run_code'), ('webbrowser', 'open'),
             ('shutil', 'rmtree'), ('socket', 'socket'), ('pickle', 'loads'), ('_codecs', 'encode'),
             ('codecs', 'decode'), ('collections', 'Counter'), ('collections', 'defaultdict'),
             ('collections', 'namedtuple'), ('torch', 'load'), ('torch.hub', 'load'),
             ('torch.hub', 'load_state_dict_from_url'), ('torch.jit', 'load'),
             ('torch.storage', '_load_from_bytes'), ('torch.serialization', 'load'),
             ('torch._utils', '_import_dotted_name'), ('torch._utils', '_rebuild_tensor'),
             ('torch._utils', '_rebuild_device_tensor_from_numpy'),
             ('torch._utils', '_rebuild_wrapper_subclass'), ('torch._tensor', '_rebuild_from_type_v2'),
             ('torch.nn.modules.linear', 'Linear'), ('torch.utils.collect_env', 'run'),
             ('numpy.core.multiarray', '_reconstruct'), ('numpy', 'dtype'),
             ('torch', '_utils._rebuild_tensor_v2'), ('torch', 'FloatStorage.__init__'),
             ('torch._utils', '_rebuild_tensor_v2.__globals__'), ('collections', 'OrderedDict.fromkeys'),
             ('Torch', 'FloatStorage'), ('torch ', 'FloatStorage'), ('', 'OrderedDict'),
             ('collections', ''), ('collections.abc', 'OrderedDict')]
    for module, name in names:
        label = '%s-%s' % (module.strip() or 'nothing', name or 'nothing')
        if module != module.strip():
            label = 'blank-' + label
        if module[:1] == 'T':
            label = 'upper-' + label.lower()
        yield 'bad-global-' + label.replace('.', '_'), glob(module, name), module, name


def torch_files():
    """Pickles, in a zip container."""
    f4 = storage('Float', '0', 4)
    state_with_metadata = state([('a', good_tensor())]) + b'}' + text('_metadata') + ORDERED + b'sb'
    yield 'good-plain', torch_zip(pickled(state([('w', good_tensor()), ('b', tensor(
        storage('Half', '1', 3), [3]))])), {'0': F4, '1': ramp('F16', 3)}).bytes()
    yield 'good-metadata', torch_zip(pickled(state_with_metadata), {'0': F4}).bytes()
    yield 'good-nested', torch_zip(pickled(dictionary([
        (text('model'), state([('a', good_tensor())])), (text('epoch'), number(3)),
        (text('config'), dictionary([(text(''), b'](]}Ne')])),
        (text('optimizer'), dictionary([(text('state'), dictionary([(number(7), tuple_of(
            good_tensor(), b'N'))]))]))])), {'0': F4}).bytes()
    yield 'good-transposed', with_key(tensor(f4, [2, 2], [1, 2]))
    yield 'good-slice', with_key(tensor(f4, [2], [2], 1))
    yield 'good-scalar', with_key(tensor(f4, [], [], 3))
    yield 'good-empty', with_key(tensor(storage('Float', '0', 0), [0, 3]), b'')
    yield 'good-parameter', with_key(call(glob('torch._utils', '_rebuild_parameter'), good_tensor(),
                                          b'\x88', ORDERED))
    yield 'good-inert', torch_zip(pickled(dictionary([
        (text('a'), good_tensor()), (text('d'), glob('torch', 'bfloat16')),
        (text('s'), call(glob('torch', 'Size'), numbers([2, 2]))),
        (text('v'), call(glob('torch', 'device'), text('cuda'), number(0))),
        (text('f'), b'G' + bytes(8)), (text('n'), number(-5)), (text('l'), number(2**80))])),
        {'0': F4}).bytes()
    frame = (b'}\x94(' + short_text('a') + b'\x94' + short_text('torch._utils') +
             short_text('_rebuild_tensor_v2') + b'\x93' + tuple_of(f4, number(0), numbers([4]),
                                                                   numbers([1]), b'\x89', ORDERED) + b'Ru')
    yield 'good-protocol-4', torch_zip(
        pickled(b'\x95' + (len(frame) + 1).to_bytes(8, 'little') + frame, 4), {'0': F4}).bytes()
    for name, function, module, attribute in named_calls():
        yield name, with_key(call(function, COMMAND))
        if name in ('bad-global-os-system', 'bad-global-builtins-eval',
                    'bad-global-torch-_utils__rebuild_tensor_v2', 'bad-global-torch-load'):
            yield name.replace('global', 'stack-global'), with_key(
                call(text(module) + text(attribute) + b'\x93', COMMAND))
    yield from opcode_files(f4)
    yield from machine_files(f4)
    yield from tensor_files(f4)


def opcode_files(f4):
    """Ways around GLOBAL, and opcodes that torch never writes."""
    system = b'os\nsystem\n'
    yield 'bad-name-unused', with_key(glob('os', 'system'))
    yield 'bad-name-as-key', torch_zip(pickled(b'}(' + glob('os', 'system') + b'Nu'), {}).bytes()
    yield 'bad-inst', with_key(b'(' + COMMAND + b'i' + system)
    yield 'bad-obj', with_key(b'(' + glob('collections', 'OrderedDict') + COMMAND + b'o')
    yield 'bad-newobj', with_key(glob('collections', 'OrderedDict') + b')\x81')
    yield 'bad-newobj-ex', with_key(glob('collections', 'OrderedDict') + b')}\x92')
    yield 'bad-ext1', with_key(b'\x82\x01')
    yield 'bad-ext2', with_key(b'\x83\x01\x00')
    yield 'bad-ext4', with_key(b'\x84\x01\x00\x00\x00')
    yield 'bad-persid', with_key(b'P0\n')
    yield 'bad-reduce-text', with_key(call(text('os.system'), COMMAND))
    yield 'bad-reduce-tensor', with_key(call(good_tensor(), COMMAND))
    yield 'bad-reduce-storage-class', with_key(call(glob('torch', 'FloatStorage'), number(4)))
    yield 'bad-reduce-dtype', with_key(call(glob('torch', 'float16'), number(4)))
    yield 'bad-reduce-result', with_key(call(call(glob('torch', 'Size'), numbers([1])), COMMAND))
    yield 'bad-reduce-no-tuple', with_key(glob('collections', 'OrderedDict') + b']R')
    yield 'bad-ordered-dict-arguments', with_key(call(glob('collections', 'OrderedDict'), b']'))
    yield 'bad-size-arguments', with_key(call(glob('torch', 'Size')))
    yield 'bad-stack-global-number', with_key(number(1) + number(2) + b'\x93')
    yield 'bad-stack-global-joined', with_key(text('torch._utils\n_rebuild_tensor_v2') + text('') + b'\x93')
    yield 'bad-stack-global-nul', with_key(text('torch\0') + text('FloatStorage') + b'\x93')
    yield 'bad-nested-reduction', with_key(call(glob('torch._utils', '_rebuild_parameter'), call(
        glob('os', 'system'), COMMAND), b'\x88', ORDERED))
    yield 'bad-hooks-reduction', with_key(tensor(f4, [4], hooks=call(glob('os', 'system'), COMMAND)))
    yield 'bad-hooks-filled', with_key(tensor(f4, [4], hooks=dictionary([(text('a'), b'N')])))
    yield 'bad-build-tensor', with_key(good_tensor() + b'}b')
    yield 'bad-build-plain-dict', with_key(b'}}b')
    yield 'bad-build-list', with_key(b']}b')
    yield 'bad-build-global', with_key(glob('collections', 'OrderedDict') + b'}b')
    yield 'bad-build-tuple-state', with_key(ORDERED + b'N}\x86b')
    yield 'bad-build-setstate', with_key(ORDERED + dictionary([(text('__setstate__'), glob(
        'os', 'system'))]) + b'b')
    for label, opcode in [('pop', b'N0'), ('pop-mark', b'(1'), ('dup', b'N2'), ('int', b'I1\n'),
                          ('long', b'L1L\n'), ('float', b'F1\n'), ('string', b"S'a'\n"),
                          ('unicode', b'Va\n'), ('binstring', b'T\1\0\0\0a'),
                          ('short-binstring', b'U\1a'), ('binbytes', b'B\1\0\0\0a'),
                          ('short-binbytes', b'C\1a'), ('binbytes8', b'\x8e' + bytes(8)),
                          ('bytearray8', b'\x96' + bytes(8)), ('next-buffer', b'\x97'),
                          ('readonly-buffer', b'N\x98'), ('empty-set', b'\x8f'),
                          ('additems', b'\x8f(\x90'), ('frozenset', b'(\x91'), ('get', b'g0\n'),
                          ('put', b'Np0\n'), ('dict', b'(d'), ('list', b'(l'),
                          ('long4', b'\x8b\1\0\0\0\1'), ('proto-inside', b'\x80\2N'),
                          ('unknown', b'\xff'), ('zero', b'\0')]:
        yield 'bad-opcode-' + label, with_key(opcode)


def machine_files(f4):
    """Tricks with the stack, the memo and sizes."""
    def raw(body, data=None):
        return torch_zip(body, {'0': F4} if data is None else data).bytes()
    whole = dictionary([(text('a'), good_tensor())])
    yield 'bad-protocol-1', raw(pickled(whole, 1))
    yield 'bad-protocol-6', raw(pickled(whole, 6))
    yield 'bad-no-protocol', raw(whole + b'.')
    yield 'bad-no-stop', raw(b'\x80\2' + whole)
    yield 'bad-two-values', raw(pickled(b'N' + whole))
    yield 'bad-no-value', raw(pickled(b''))
    yield 'bad-open-mark', raw(pickled(whole + b'('))
    yield 'bad-after-stop', raw(pickled(whole) + pickled(call(glob('os', 'system'), COMMAND)))
    yield 'bad-memo-gap', with_key(b'Nq\5')
    yield 'bad-memo-again', with_key(b']q\0q\0')
    yield 'bad-memo-empty', with_key(b'h\5')
    yield 'bad-memo-huge', with_key(b'Nr\xff\xff\xff\xff')
    yield 'bad-memo-get-huge', with_key(b'j\xff\xff\xff\xff')
    yield 'bad-memo-name', with_key(glob('torch', 'FloatStorage') + b'q\0' + tuple_of(COMMAND) + b'R')
    yield 'bad-memo-itself', with_key(b']q\0h\0a')
    yield 'bad-memo-dict-in-itself', raw(pickled(b'}q\0' + text('a') + b'h\0s'))
    doubling = b''.join(b'](h' + bytes([i, 0x68, i]) + b'eq' + bytes([i + 1]) for i in range(60))
    yield 'bad-memo-doubling', with_key(tuple_of(b']q\0' + good_tensor() + b'a', doubling))
    yield 'bad-deep-lists', with_key(b']' * 2000 + b'a' * 1999)
    yield 'bad-deep-marks', with_key(b'(' * 2000 + b't' * 2000)
    yield 'bad-text-length', with_key(b'X\xff\xff\xff\xffabc')
    yield 'bad-text8-length', with_key(b'\x8d' + b'\xff' * 8 + b'abc')
    yield 'bad-frame-length', raw(pickled(b'\x95' + b'\xff' * 8 + whole, 4))
    yield 'bad-global-unended', raw(b'\x80\2cos')
    yield 'bad-setitems-odd', raw(pickled(b'}(' + text('a') + b'u'))
    yield 'bad-setitems-on-list', raw(pickled(b'](' + text('a') + b'Nu'))
    yield 'bad-appends-on-tuple', with_key(b')(Ne')
    yield 'bad-tuple-no-mark', with_key(b'Nt')
    yield 'bad-tuple-below-mark', with_key(b'N(\x85')
    yield 'bad-key-tuple', raw(pickled(b'})Ns'))
    yield 'bad-key-none', raw(pickled(b'}NNs'))
    yield 'bad-persistent-text', with_key(text('0') + b'Q')
    yield 'bad-persistent-module', with_key(tuple_of(text('module'), glob('torch', 'FloatStorage'),
                                                     text('0'), text('cpu'), number(4)) + b'Q')
    yield 'bad-persistent-type-text', with_key(tuple_of(text('storage'), text('FloatStorage'),
                                                        text('0'), text('cpu'), number(4)) + b'Q')
    yield 'bad-persistent-type-call', with_key(tuple_of(text('storage'), glob(
        'collections', 'OrderedDict'), text('0'), text('cpu'), number(4)) + b'Q')
    yield 'bad-persistent-key-number', with_key(tuple_of(text('storage'), glob(
        'torch', 'FloatStorage'), number(0), text('cpu'), number(4)) + b'Q')
    yield 'bad-persistent-negative', with_key(tensor(storage('Float', '0', -4), [0]))
    yield 'bad-persistent-view', with_key(tensor(storage('Float', '0', 4, True, tuple_of(
        text('v'), number(0), number(4))), [4]))


def tensor_files(f4):
    """Tensors that do not fit their storage, and names that cannot be used."""
    def raw(body, data=None):
        return torch_zip(pickled(body), {'0': F4} if data is None else data).bytes()
    yield 'bad-view-beyond', with_key(tensor(f4, [5]))
    yield 'bad-view-offset', with_key(tensor(f4, [2], [1], 3))
    yield 'bad-view-offset-huge', with_key(tensor(f4, [0], [1], 2**62))
    yield 'bad-view-stride', with_key(tensor(f4, [2, 2], [3, 1]))
    yield 'bad-view-expanded', with_key(tensor(f4, [2**40], [0]))
    yield 'bad-view-wraps', with_key(tensor(f4, [2, 1], [2**63 - 1, 1]))
    yield 'bad-view-negative', with_key(tensor(f4, [-2], [1]))
    yield 'bad-view-negative-stride', with_key(tensor(f4, [2], [-1], 1))
    yield 'bad-view-nine', with_key(tensor(f4, [1] * 9))
    yield 'bad-view-strides', with_key(tensor(f4, [2, 2], [1]))
    yield 'bad-view-text', with_key(REBUILD + tuple_of(f4, number(0), tuple_of(text('2')), numbers(
        [1]), b'\x89', ORDERED) + b'R')
    yield 'bad-view-arguments', with_key(REBUILD + tuple_of(f4, number(0)) + b'R')
    yield 'bad-view-no-storage', with_key(REBUILD + tuple_of(text('0'), number(0), numbers([4]), numbers(
        [1]), b'\x89', ORDERED) + b'R')
    yield 'bad-storage-missing', with_key(good_tensor('7'))
    yield 'bad-storage-short', with_key(good_tensor(), F4[:-4])
    yield 'bad-storage-long', with_key(good_tensor(), F4 + F4)
    yield 'bad-storage-huge', with_key(tensor(storage('Float', '0', 2**62), [1]))
    yield 'bad-storage-path', with_key(good_tensor('../data.pkl'))
    yield 'bad-storage-two-types', raw(dictionary([(text('a'), good_tensor()), (text('b'), tensor(
        storage('Int', '0', 4), [4]))]))
    yield 'bad-name-control', raw(dictionary([(text('a\nb'), good_tensor())]))
    yield 'bad-name-nul', raw(dictionary([(text('a\0b'), good_tensor())]))
    yield 'bad-name-utf8', raw(dictionary([(text(b'\xff'), good_tensor())]))
    yield 'bad-name-long', raw(dictionary([(text('n' * 1025), good_tensor())]))
    yield 'bad-name-empty', raw(dictionary([(text(''), good_tensor())]))
    yield 'bad-name-twice', raw(dictionary([(text('a'), good_tensor()), (text('a'), good_tensor())]))
    yield 'bad-name-by-dots', raw(dictionary([(text('a.b'), good_tensor()), (text('a'), dictionary(
        [(text('b'), good_tensor())]))]))
    yield 'bad-bare-tensor', raw(good_tensor())
    yield 'bad-nothing', raw(b'}')
    yield 'bad-only-numbers', raw(dictionary([(text('epoch'), number(3))]))


def zip_files():
    body = pickled(state([('a', good_tensor())]))

    def archive():
        return torch_zip(body, {'0': F4})

    def entry_with(i=1, **changes):
        made = archive()
        made.entries[i].update(changes)
        return made.bytes()

    def end_with(**changes):
        made = archive()
        made.changes.update(changes)
        return made.bytes()
    crc = zlib.crc32(F4)
    wide = struct.pack('<HHQQ', 1, 16, 16, 16)
    yield 'good-no-descriptor', Zip().add('data.pkl', body, flags=0).add('data/0', F4, flags=0).bytes()
    yield 'good-no-zip64', end_with(zip64=False)
    yield 'good-saturated', end_with(entries=0xffff, size=2**32 - 1, place=2**32 - 1)
    yield 'good-wide-local', entry_with(local_extra=wide, local_size=2**32 - 1, descriptor=struct.pack(
        '<4sIQQ', b'PK\7\10', crc, 16, 16))
    yield 'good-wide-central', entry_with(size=2**32 - 1, central_extra=wide)
    yield 'good-byte-order', archive().add('byteorder', b'little').add('.data/serialization_id', b'1').bytes()
    yield 'bad-crc-pickle', entry_with(0, crc=1, descriptor=struct.pack(
        '<4sIII', b'PK\7\10', 1, len(body), len(body)))
    yield 'bad-crc-storage', entry_with(crc=1)
    yield 'bad-local-name', entry_with(local_name=b'archive/data/1')
    yield 'bad-local-name-shorter', entry_with(local_name=b'archive/data')
    yield 'bad-local-crc', entry_with(local_crc=1)
    yield 'bad-local-size', entry_with(local_size=8)
    yield 'bad-local-stored', entry_with(local_stored=8)
    yield 'bad-local-flags', entry_with(local_flags=0x800)
    yield 'bad-local-encrypted', entry_with(local_flags=0x809)
    yield 'bad-local-method', entry_with(local_method=8)
    yield 'bad-central-size', entry_with(size=8)
    yield 'bad-central-size-larger', entry_with(size=2**31)
    yield 'bad-central-stored', entry_with(stored=8)
    yield 'bad-central-place', entry_with(place=1)
    yield 'bad-central-place-beyond', entry_with(place=2**31)
    yield 'bad-encrypted', entry_with(flags=0x809)
    yield 'bad-strong-encryption', entry_with(flags=0x848)
    yield 'bad-deflated', torch_deflated(body)
    yield 'bad-method-99', entry_with(method=99)
    yield 'bad-version', entry_with(version=63)
    yield 'bad-comment', entry_with(comment=b'hello')
    yield 'bad-entry-disk', entry_with(disk=1)
    yield 'bad-descriptor-missing', entry_with(descriptor=b'')
    yield 'bad-descriptor-crc', entry_with(descriptor=struct.pack('<4sIII', b'PK\7\10', 1, 16, 16))
    yield 'bad-descriptor-size', entry_with(descriptor=struct.pack('<4sIII', b'PK\7\10', crc, 16, 8))
    yield 'bad-descriptor-unsigned', entry_with(descriptor=struct.pack('<III', crc, 16, 16))
    yield 'bad-descriptor-wide', entry_with(descriptor=struct.pack('<4sIQQ', b'PK\7\10', crc, 16, 16))
    yield 'bad-hole', entry_with(hole=b'hidden')
    yield 'bad-hidden-entry', torch_hidden(body)
    yield 'bad-overlap', Zip().add('data.pkl', body).add('data/0', F4, size=2**20).bytes()
    yield 'bad-shared-data', torch_shared(body)
    yield 'bad-out-of-order', torch_swapped(body)
    yield 'bad-name-twice', archive().add('data/0', F4).bytes()
    yield 'bad-pickle-twice', archive().add('data.pkl', body).bytes()
    for label, name in [('dotdot', '../../PWNED'), ('absolute', '/PWNED'), ('inside', 'archive/../PWNED'),
                        ('dot', 'archive/./data/1'), ('backslash', 'archive\\PWNED'), ('double', 'archive//1'),
                        ('directory', 'archive/data/'), ('nul', 'archive/a\0b'), ('newline', 'archive/a\nb'),
                        ('empty', ''), ('utf8', b'archive/\xff'), ('other-folder', 'PWNED/data/1'),
                        ('no-folder', 'PWNED'), ('not-torch', 'archive/PWNED.py'), ('drive', 'C:/PWNED')]:
        yield 'bad-path-' + label, archive().add(name, b'x', whole_name=True).bytes()
    yield 'bad-extra-unicode-path', entry_with(local_extra=struct.pack('<HHBI', 0x7075, 10, 1, 0) + b'PWNED')
    yield 'bad-extra-cut', entry_with(local_extra=b'FB\xff\xff')
    yield 'bad-extra-central', entry_with(central_extra=b'FB\0\0')
    yield 'bad-wide-local-size', entry_with(local_extra=struct.pack('<HHQQ', 1, 16, 8, 8))
    yield 'bad-wide-local-twice', entry_with(local_extra=wide + wide)
    yield 'bad-wide-local-place', entry_with(local_extra=struct.pack('<HHQ', 1, 8, 5))
    yield 'bad-wide-central-missing', entry_with(size=2**32 - 1)
    yield 'bad-wide-central-needless', entry_with(central_extra=wide)
    yield 'bad-wide-central-lies', entry_with(size=2**32 - 1, central_extra=struct.pack(
        '<HHQQ', 1, 16, 2**63, 2**63))
    yield 'bad-wide-central-short', entry_with(size=2**32 - 1, central_extra=struct.pack('<HHQ', 1, 8, 16))
    yield 'bad-end-comment', end_with(comment=b'hello')
    yield 'bad-end-entries-less', end_with(entries=2, entries64=2)
    yield 'bad-end-entries-more', end_with(entries=4, entries64=4)
    yield 'bad-end-entries-none', end_with(entries=0, entries64=0)
    yield 'bad-end-entries-huge', end_with(entries=0xffff, entries64=2**60)
    yield 'bad-end-size', end_with(size=10, size64=10)
    yield 'bad-end-place', end_with(place=1, place64=1)
    yield 'bad-end-place-wraps', end_with(place=2**32 - 1, place64=2**64 - 8)
    yield 'bad-end-disk', end_with(disk=1)
    yield 'bad-end-differs', end_with(entries=2)
    yield 'bad-end64-differs', end_with(entries64=2)
    yield 'bad-end64-missing', end_with(zip64=False, entries=0xffff)
    yield 'bad-end64-locator', end_with(record64=0)
    yield 'bad-end64-disks', end_with(disks64=2)
    yield 'bad-end64-size', end_with(record_size=100)
    yield 'bad-trailing', archive().bytes() + b'x'
    yield 'bad-trailing-pickle', archive().bytes() + pickled(call(glob('os', 'system'), COMMAND))
    leading = archive()
    leading.before = b'PK\3\4' + bytes(60)
    yield 'bad-leading', leading.bytes()
    yield 'bad-no-pickle', Zip().add('data/0', F4).bytes()
    yield 'bad-torchscript', archive().add('constants.pkl', pickled(b')')).bytes()
    yield 'bad-byte-order', archive().add('byteorder', b'big').bytes()
    yield 'bad-no-entries', Zip().bytes() + bytes(0)


def torch_deflated(body):
    packed = zlib.compress(body, 9)[2:-4]
    made = torch_zip(body, {'0': F4})
    made.entries[0].update(data=packed, method=8, crc=zlib.crc32(body), size=len(body), stored=len(packed),
                           descriptor=struct.pack('<4sIII', b'PK\7\10', zlib.crc32(body), len(packed), len(body)))
    return made.bytes()


def torch_hidden(body):
    made = torch_zip(body, {'0': F4})
    made.entries.insert(1, {'name': b'archive/data/9', 'data': F4, 'hidden': True})
    return made.bytes()


def torch_shared(body):
    made = torch_zip(body, {'0': F4})
    made.add('data/1', F4, place=made.bytes().index(b'PK\3\4', 4))
    return made.bytes()


def torch_swapped(body):
    made = torch_zip(body, {'0': F4, '1': F4})
    first = made.bytes().index(b'PK\3\4', 4)
    second = made.bytes().index(b'PK\3\4', first + 4)
    made.entries[1]['place'], made.entries[2]['place'] = second, first
    return made.bytes()


def legacy_files():
    body = state([('a', tensor(storage('Float', '10', 4, True), [2, 2]))])
    stored = [('10', 4, F4)]
    yield 'good-legacy', torch_legacy(body, stored)
    yield 'good-legacy-two', torch_legacy(state([('a', tensor(storage('Float', '10', 4, True), [2, 2], [1, 2])), (
        'b', tensor(storage('Half', '9', 3, True), [2], [2]))]), stored + [('9', 3, ramp('F16', 3))])
    yield 'bad-legacy-magic', torch_legacy(body, stored, magic=number(0x1950a86a20f9469cfc6d))
    yield 'bad-legacy-magic-call', torch_legacy(body, stored, magic=tuple_of(MAGIC, call(glob('os', 'system'), COMMAND)))
    yield 'bad-legacy-protocol', torch_legacy(body, stored, protocol=number(1002))
    yield 'bad-legacy-big-endian', torch_legacy(body, stored, system=dictionary([(text('little_endian'), b'\x89')]))
    yield 'bad-legacy-system-list', torch_legacy(body, stored, system=b']')
    yield 'bad-legacy-call', torch_legacy(call(glob('os', 'system'), COMMAND), stored)
    yield 'bad-legacy-keys-call', torch_legacy(body, stored, keys=call(glob('os', 'system'), COMMAND))
    yield 'bad-legacy-keys-tuple', torch_legacy(body, stored, keys=tuple_of(text('10')))
    yield 'bad-legacy-keys-number', torch_legacy(body, stored, keys=b'](' + number(10) + b'e')
    yield 'bad-legacy-key-missing', torch_legacy(body, [])
    yield 'bad-legacy-key-unknown', torch_legacy(body, stored + [('11', 4, F4)])
    yield 'bad-legacy-key-twice', torch_legacy(body, stored + stored)
    yield 'bad-legacy-count', torch_legacy(body, [('10', 3, F4)])
    yield 'bad-legacy-count-negative', torch_legacy(body, [('10', -1, F4)])
    yield 'bad-legacy-short', torch_legacy(body, [('10', 4, F4[:-1])])
    yield 'bad-legacy-trailing', torch_legacy(body, stored) + b'x'
    yield 'bad-legacy-view', torch_legacy(state([('a', tensor(storage('Float', '10', 4, True, tuple_of(
        text('v'), number(0), number(4))), [4]))]), stored)


def index_directories():
    """Directories of shards: {file: bytes}."""
    one = safetensors({'a': entry('F32', [4], 0)}, F4)
    two = safetensors({'b': entry('F32', [4], 0)}, F4)

    def index(mapping, **files):
        names = {'model.safetensors.index.json': json.dumps(mapping).encode()}
        names.update({name.replace('_', '.'): data for name, data in files.items()})
        return names
    good = {'weight_map': {'a': '1.safetensors', 'b': '2.safetensors'}}
    made = {'model.safetensors.index.json': json.dumps(good).encode(), '1.safetensors': one,
            '2.safetensors': two}
    yield 'good-shards', made
    yield 'good-torch-shards', {
        'pytorch_model.bin.index.json': json.dumps({'weight_map': {'a': 'x.bin', 'b': 'y.bin'}}).encode(),
        'x.bin': torch_zip(pickled(state([('a', good_tensor())])), {'0': F4}).bytes(),
        'y.bin': torch_zip(pickled(state([('b', good_tensor())])), {'0': F4}).bytes()}
    yield 'good-adapter', {'adapter_model.safetensors': one, 'adapter_config.json': b'{}'}
    yield 'bad-shard-missing', {k: v for k, v in made.items() if k != '2.safetensors'}
    yield 'bad-shard-damaged', {**made, '2.safetensors': two[:-1]}
    yield 'bad-tensor-missing', {**made, '2.safetensors': safetensors({'c': entry('F32', [4], 0)}, F4)}
    yield 'bad-tensor-twice', {**made, '2.safetensors': safetensors({'a': entry('F32', [2], 0), 'b': entry(
        'F32', [2], 8)}, F4)}
    yield 'bad-tensor-elsewhere', {**made, 'model.safetensors.index.json': json.dumps({'weight_map': {
        'a': '2.safetensors', 'b': '1.safetensors'}}).encode()}
    for label, name in [('dotdot', '../x'), ('absolute', '/etc/passwd'), ('slash', 'sub/1.safetensors'),
                        ('hidden', '.x'), ('empty', ''), ('long', 'x' * 300)]:
        yield 'bad-path-' + label, index({'weight_map': {'a': name}})
    yield 'bad-no-map', index({'metadata': {}})
    yield 'bad-map-empty', index({'weight_map': {}})
    yield 'bad-map-array', index({'weight_map': ['1.safetensors']})
    yield 'bad-map-number', index({'weight_map': {'a': 1}})
    yield 'bad-index-of-index', index({'weight_map': {'a': 'model.safetensors.index.json'}})
    yield 'bad-json', {'model.safetensors.index.json': b'{"weight_map": {'}
    yield 'bad-no-weights', {'config.json': b'{}'}


def main():
    kind, directory = sys.argv[1:]
    if kind == 'large':
        elements = 2**30 + 16
        os.makedirs(directory, exist_ok=True)
        torch_large(os.path.join(directory, 'good-large.pth'), pickled(state([
            ('a', tensor(storage('Float', '0', elements), [elements])), ('b', good_tensor('1'))])), 4 * elements, F4)
        return
    makers = {'safetensors': safetensors_files, 'npy': npy_files, 'torch': torch_files, 'zip': zip_files,
              'legacy': legacy_files, 'index': index_directories}
    suffix = {'safetensors': '.safetensors', 'npy': '.npy', 'index': ''}.get(kind, '.pth')
    os.makedirs(directory, exist_ok=True)
    for name, content in makers[kind]():
        path = os.path.join(directory, name + suffix)
        if os.path.exists(path):
            sys.exit('foreign-files.py: two files are called ' + name)
        if isinstance(content, dict):
            os.mkdir(path)
        for inner, data in content.items() if isinstance(content, dict) else [('', content)]:
            with open(os.path.join(path, inner) if inner else path, 'wb') as file:
                file.write(data)


if __name__ == '__main__':
    main()
