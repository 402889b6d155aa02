#!/usr/bin/env bash
# sources.sh BIN_DIR -- convert small archives and folders made here and
# compare every pixel and label with an independent reader; then damaged ones: each one
# clear line, the right exit status, nothing left behind.
here=$(dirname "$(realpath "$0")")
. "$(dirname "$0")/../support/script.sh"
good() { sluice write "$@" --quiet 2>err || fail "write $*: $(cat err)"; }
same() { python3 "$here/compare.py" "$@" || fail "compare $*"; }
# bad STATUS PATTERN ARGS...: refused with one line that says PATTERN, and no output file.
bad() {
  local status=$1 pattern=$2
  shift 2
  rm -f out.sluice*
  timeout 20 sluice write "$@" out.sluice 2>err
  local got=$?
  [ $got = "$status" ] || fail "write $*: exit status $got, expected $status: $(cat err)"
  [ "$(wc -l <err)" = 1 ] || fail "write $*: not one line: $(cat err)"
  grep -q -- "$pattern" err || fail "write $*: expected '$pattern' in: $(cat err)"
  [ -z "$(find . -name 'out.sluice*')" ] || fail "write $*: left $(ls out.sluice*)"
}

python3 "$here/make_sources.py" . || exit 1

good cifar10 cifar-10-binary.tar.gz a.sluice
same cifar10 train cifar-10-batches-bin a.sluice
good cifar10 cifar-10-batches-bin b.sluice
cmp a.sluice b.sluice || fail "archive and folder give different files"
good cifar10 cifar-10-batches-bin t.sluice --split=test
same cifar10 test cifar-10-batches-bin t.sluice
good cifar10 cifar-10-batches-bin/data_batch_3.bin one.sluice
good cifar100 cifar-100-binary.tar.gz c.sluice
same cifar100 train cifar-100-binary c.sluice
good mnist mnist m.sluice
same mnist train mnist m.sluice
good mnist mnist/t10k-images-idx3-ubyte.gz mt.sluice
same mnist test mnist mt.sluice
sluice info mt.sluice | grep -q '"t10k-images-idx3-ubyte".*"split":"test"' || fail "from: $(sluice info mt.sluice)"
# What folders are called says nothing of the files in them, nor do other members' names.
mkdir all.tar.d mnist-ubyte
cp mnist/* all.tar.d
cp mnist/* mnist-ubyte
python3 -c '
import io, tarfile
with tarfile.open("named.tar", "w", format=tarfile.PAX_FORMAT) as tar:
    tar.addfile(tarfile.TarInfo("m/\u00e9.txt"), io.BytesIO())
    tar.add("mnist", "m")'
tar cJf m.txz mnist
for input in m.txz all.tar.d/train-images-idx3-ubyte.gz mnist-ubyte named.tar; do
  good mnist $input n.sluice
  cmp m.sluice n.sluice || fail "$input: another file"
done
bad 2 '--root does not concern mnist; it is an option of folder' mnist mnist --root=.
bad 2 '--split does not concern folder; it is an option of cifar10, cifar100, mnist, svhn' \
  folder . --split=test
if sluice write svhn svhn s.sluice --quiet 2>err; then
  same svhn train svhn s.sluice
  good svhn svhn/test_32x32.mat st.sluice
  same svhn test svhn st.sluice
  head -c 20000 svhn/train_32x32.mat >cut.mat
  bad 5 'cut.mat: ' svhn cut.mat
  python3 -c '
import struct
data = open("svhn/test_32x32.mat", "rb").read()
at = data.index(struct.pack("<4i", 32, 32, 3, 5))
open("more.mat", "wb").write(data[:at] + struct.pack("<4i", 32, 32, 3, 1 << 20) + data[at + 16:])'
  bad 5 'more.mat: X: more elements than the file can hold' svhn more.mat
  # Behind the pixels lies their Adler-32; the second element is as good as the first.
  python3 - <<'EOF'
import struct, zlib
def elements(data, at=128):
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        yield at, size
        at += 8 + size
data = open("svhn/train_32x32.mat", "rb").read()
def put(name, data):
    open(name, "wb").write(data)
for name, (at, size) in zip("xy", elements(data)):
    end = at + 8 + size
    put(f"sum_{name}.mat", data[:end - 1] + bytes([data[end - 1] ^ 1]) + data[end:])
    put(f"short_{name}.mat", data[:at + 4] + struct.pack("<I", size - 4) + data[at + 8:end - 4] + data[end:])
(at, size), y = elements(data)
stored = bytearray(zlib.compress(zlib.decompress(data[at + 8:at + 8 + size]), 0))
stored[30000] ^= 1
put("flip_x.mat", data[:at] + struct.pack("<II", 15, len(stored)) + stored + data[y[0]:])
EOF
  for name in x y; do
    bad 5 "sum_$name.mat: the compressed element at byte [0-9]*: incorrect data check\$" svhn sum_$name.mat
    bad 5 "short_$name.mat: the compressed element at byte [0-9]*: its data are truncated\$" svhn short_$name.mat
  done
  bad 5 'flip_x.mat: the compressed element at byte 128: incorrect data check$' svhn flip_x.mat
  bad 5 'expected a MATLAB file' svhn mnist/train-labels-idx1-ubyte.gz
else
  grep -q 'lacks libmatio' err || fail "svhn: $(cat err)"
fi
# And back, byte for byte; CIFAR-10's five files are one here, since they are short.
sluice export a.sluice e10 --as=cifar10 --quiet || fail "export cifar10"
cat cifar-10-batches-bin/data_batch_[1-5].bin | cmp - e10/data_batch_1.bin || fail "export cifar10 differs"
cmp cifar-10-batches-bin/batches.meta.txt e10/batches.meta.txt || fail "class names differ"
sluice export t.sluice e10t --as=cifar10 --split=test --quiet || fail "export of the test set"
cmp cifar-10-batches-bin/test_batch.bin e10t/test_batch.bin || fail "export of the test set differs"
sluice export c.sluice e100 --as=cifar100 --quiet || fail "export cifar100"
cmp cifar-100-binary/train.bin e100/train.bin || fail "export cifar100 differs"
sluice export mt.sluice em --as=mnist --split=test --quiet || fail "export mnist"
for f in t10k-images-idx3-ubyte t10k-labels-idx1-ubyte; do
  gunzip -c mnist/$f.gz | cmp - em/$f || fail "export: $f differs"
done
sluice export a.sluice em --as=cifar10 2>err && fail "export over a folder"
grep -q 'em: exists already' err || fail "export over a folder: $(cat err)"
sluice export a.sluice en --as=mnist 2>err && fail "export of colours as mnist"
[ "$(wc -l <err)" = 1 ] && grep -q 'expected grey pixels' err || fail "export of colours: $(cat err)"
[ -z "$(find . -name 'en*')" ] || fail "export left something"
good cifar10 cifar-10-batches-bin l.sluice --limit=7
[ "$(sluice write cifar10 cifar-10-batches-bin l.sluice --limit=7 --json | grep -c '"samples": 7,')" = 1 ] ||
  fail "--limit"

# The bytes of version 1: a file made today is the one that was made then.
python3 - <<'EOF'
import os, struct
os.mkdir("tiny")
open("tiny/train-images-idx3-ubyte", "wb").write(struct.pack(">IIII", 2051, 2, 2, 2) + bytes(range(8)))
open("tiny/train-labels-idx1-ubyte", "wb").write(struct.pack(">II", 2049, 2) + bytes([1, 0]))
EOF
good mnist tiny tiny.sluice --class-names=zero,one
cmp tiny.sluice "$here/../fuzz/corpus/dataset/tiny.sluice" || fail "the golden file differs"
bad 2 '^sluice write: tiny: sample 0: label 1, names for 1 classes' mnist tiny --class-names=zero

# What does not go with what is there is named by what was typed.
cp a.sluice longer.sluice
sluice write cifar100 cifar-100-binary.tar.gz longer.sluice --append --quiet 2>err
[ $? = 2 ] && grep -q '^sluice write: cifar-100-binary.tar.gz: expected the 2 fields of longer.sluice, found 3$' err &&
  cmp a.sluice longer.sluice && [ "$(ls -d longer*)" = longer.sluice ] || fail "append of other fields: $(cat err)"

head -c 3000 cifar-10-binary.tar.gz >cut.tar.gz
bad 5 'runcated' cifar10 cut.tar.gz
# Members: each once, compressed beside it at most, and no links.
mkdir both && cp -r mnist both/b && cp -r mnist both/a
tar cf both.tar both/a both/b
bad 5 'both.tar: expected one train-.*-ubyte, found both/a/train-.*-ubyte.gz and both/b/train-.*-ubyte.gz$' mnist both.tar
gunzip -k both/a/*.gz
tar cf beside.tar both/a
good mnist beside.tar n.sluice
[ "$(sluice info n.sluice --json | cut -d, -f1)" = "$(sluice info m.sluice --json | cut -d, -f1)" ] || fail "beside.tar: $(sluice info n.sluice)"
for how in "" -s; do
  rm -rf linked && mkdir linked && cp cifar-10-batches-bin/test_batch.bin linked/first.bin
  ln $how first.bin linked/test_batch.bin 2>/dev/null || ln linked/first.bin linked/test_batch.bin
  tar cf linked.tar linked/first.bin linked/test_batch.bin
  bad 5 'linked.tar: linked/test_batch.bin is a link, expected the file itself$' cifar10 linked.tar --split=test
done
head -c 700 mnist/train-images-idx3-ubyte.gz >cut-images-idx3-ubyte.gz
cp mnist/train-labels-idx1-ubyte.gz cut-labels-idx1-ubyte.gz
bad 5 'runcated' mnist cut-images-idx3-ubyte.gz
# gzip's own checksum and length: in stored blocks a flipped bit inflates like any other.
mkdir flipped
python3 - <<'EOF'
import gzip, tarfile
def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
def put(name, data):
    open("flipped/" + name, "wb").write(data)
labels = gzip.decompress(open("mnist/train-labels-idx1-ubyte.gz", "rb").read())
images = gzip.compress(gzip.decompress(open("mnist/train-images-idx3-ubyte.gz", "rb").read()), 0)
put("train-labels-idx1-ubyte.gz", gzip.compress(labels[:5]) + gzip.compress(labels[5:]) + bytes(700))
put("train-images-idx3-ubyte.gz", flip(images, 9000))
put("size-images-idx3-ubyte.gz", flip(images, len(images) - 2))
put("tail-images-idx3-ubyte.gz", images + b"\0\0tail")
for name in "size", "tail":
    put(name + "-labels-idx1-ubyte.gz", gzip.compress(labels))
tar = gzip.decompress(open("cifar-10-binary.tar.gz", "rb").read())
packed = gzip.compress(tar, 0)
put("a.tar.gz", flip(packed, packed.index(open("cifar-10-batches-bin/data_batch_2.bin", "rb").read()[100:200])))
put("end.tar.gz", flip(packed, len(packed) - 6))  # behind the end of the archive
put("members.tar.gz", gzip.compress(tar[:30000]) + gzip.compress(tar[30000:]) + bytes(100))
put("list.csv.gz", flip(gzip.compress(b"path,label\na.jpg,1\n", 0), 30))
with tarfile.open("flipped/inner.tar", "w") as out:
    out.add("flipped/train-images-idx3-ubyte.gz")
    out.add("flipped/train-labels-idx1-ubyte.gz")
EOF
damaged='damaged gzip data: incorrect'
bad 5 "flipped/train-images-idx3-ubyte.gz: $damaged data check\$" mnist flipped
bad 5 "flipped/inner.tar: train-images-idx3-ubyte.gz: $damaged data check\$" mnist flipped/inner.tar
bad 5 "size-images-idx3-ubyte.gz: $damaged length check\$" mnist flipped/size-images-idx3-ubyte.gz
bad 5 "tail-images-idx3-ubyte.gz: $damaged header check\$" mnist flipped/tail-images-idx3-ubyte.gz
bad 5 "flipped/a.tar.gz: $damaged data check\$" cifar10 flipped/a.tar.gz
bad 5 "flipped/end.tar.gz: $damaged data check\$" cifar10 flipped/end.tar.gz
bad 5 "flipped/list.csv.gz: $damaged data check\$" folder flipped/list.csv.gz
# Members of gzip one behind the other, and zeros behind the last, are whole.
cp mnist/train-images-idx3-ubyte.gz flipped
good mnist flipped n.sluice
cmp m.sluice n.sluice || fail "members of gzip: another file"
good cifar10 flipped/members.tar.gz n.sluice
cmp a.sluice n.sluice || fail "members.tar.gz: another file"
bad 5 'data_batch_1.bin is not in it' cifar10 cifar-100-binary.tar.gz
bad 5 'train-images' mnist cifar-10-batches-bin
bad 5 'multiple of 3073' cifar10 mnist/train-labels-idx1-ubyte.gz
bad 3 'No such file' cifar10 nowhere.tar.gz
bad 2 'no format' cifra10 cifar-10-binary.tar.gz
cp -r cifar-10-batches-bin damaged
printf '\x0b' | dd of=damaged/data_batch_2.bin bs=1 seek=3073 conv=notrunc status=none
bad 5 'damaged: data_batch_2.bin: record 1: label 11' cifar10 damaged
tar czf damaged.tar.gz damaged
bad 5 'damaged.tar.gz: data_batch_2.bin: record 1: label 11' cifar10 damaged.tar.gz
truncate -s -1 damaged/data_batch_1.bin
bad 5 'data_batch_1.bin: .*multiple' cifar10 damaged
: >empty.tar.gz
bad 5 'empty.tar.gz: the file is empty' cifar10 empty.tar.gz
mkdir loop && ln -s data_batch_1.bin loop/data_batch_1.bin
bad 3 'loop/data_batch_1.bin: Too many levels' cifar10 loop
bad 2 'expected a folder of pictures.*found an archive' folder cifar-10-binary.tar.gz
: >empty-images-idx3-ubyte
bad 5 'empty' mnist empty-images-idx3-ubyte
sluice write cifar10 cifar-10-binary.tar.gz /nonexistent/x.sluice 2>err && fail "wrote into nothing"
grep -q '/nonexistent/x.sluice' err || fail "no name of the output: $(cat err)"
(ulimit -f 1; sluice write cifar10 cifar-10-binary.tar.gz big.sluice 2>err)
[ $? = 3 ] || fail "file size limit: $(cat err)"
# What skips samples does not skip the writer's own failure: it ends at once, with its words.
python3 -c '
import struct
open("wide-images-idx3-ubyte", "wb").write(struct.pack(">IIII", 2051, 200, 400, 400) + bytes(32000000))
open("wide-labels-idx1-ubyte", "wb").write(struct.pack(">II", 2049, 200) + bytes(200))'
(ulimit -f 64; timeout 20 sluice write mnist wide-images-idx3-ubyte big.sluice --on-error=skip 2>err)
status=$?
[ $status = 3 ] && [ "$(wc -l <err)" = 1 ] && grep -q 'big.sluice.*: File too large' err || fail "file size limit, skipping: $status $(cat err)"
[ -z "$(find . -name 'big.sluice*')" ] || fail "file size limit: left something"

# Ctrl-C is heeded while an archive is unpacked: there are 20 GB of it, all of no interest.
python3 - <<'PYTHON'
import gzip, tarfile
info = tarfile.TarInfo("zeros")
info.size = 1 << 26
member = gzip.compress(info.tobuf(), 1) + gzip.compress(bytes(1 << 26), 1)
with open("large.tar.gz", "wb") as f:
    for _ in range(300):
        f.write(member)
PYTHON
for format in cifar10 mnist; do
  sluice write $format large.tar.gz x.sluice --quiet 2>err &
  pid=$!
  for _ in $(seq 600); do
    ls -l /proc/$pid/fd 2>/dev/null | grep -q large.tar.gz && break
    sleep 0.1
  done
  kill -TERM $pid
  wait $pid
  status=$?
  [ $status = 130 ] && grep -q 'interrupted; nothing was written' err || fail "interrupted: $status $(cat err)"
done

[ $failures = 0 ] && echo "all sources good"
[ $failures = 0 ]
