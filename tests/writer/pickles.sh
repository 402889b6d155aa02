#!/usr/bin/env bash
# pickles.sh BIN_DIR -- the Python versions of CIFAR give the samples of the binary ones,
# whichever protocol they are written with; what is no plain data is refused, and nothing
# of a pickle is run.
here=$(dirname "$(realpath "$0")")
. "$(dirname "$0")/../support/script.sh"
# same KIND SPLIT BINARY INPUT: both give the same files when they are exported.
same() {
  rm -rf want got
  sluice write "$1" "$3" want.sluice --split="$2" --quiet && sluice export want.sluice want --as="$1" --split="$2" --quiet ||
    fail "$3"
  sluice write "$1" "$4" got.sluice --split="$2" --quiet && sluice export got.sluice got --as="$1" --split="$2" --quiet ||
    fail "$4"
  diff -r want got || fail "$4 has not the samples of $3"
}
# bad PATTERN KIND INPUT: refused with one line that says PATTERN.
bad() {
  sluice write "$2" "$3" out.sluice 2>err
  local status=$?
  [ $status = 5 ] || fail "$3: exit status $status: $(cat err)"
  [ "$(wc -l <err)" = 1 ] && grep -q -- "$1" err || fail "$3: expected '$1' in: $(cat err)"
  [ -z "$(find . -name 'out.sluice*')" ] || fail "$3: left a file"
}

python3 "$here/make_sources.py" . && python3 "$here/make_pickles.py" . || exit 1
for p in py2 p2 p3 p4 p5; do
  same cifar10 train cifar-10-batches-bin $p/cifar-10-batches-py
  same cifar10 test cifar-10-batches-bin $p/cifar-10-batches-py
  same cifar100 train cifar-100-binary $p/cifar-100-python
  same cifar100 test cifar-100-binary $p/cifar-100-python
done
# A folder that holds the unpacked one, as torchvision's `root`.
mkdir root && cp -r cifar-10-batches-bin cifar-100-binary root
for p in py2 root; do
  same cifar10 train cifar-10-batches-bin $p
  same cifar100 test cifar-100-binary $p
done
tar -czf cifar-10-python.tar.gz -C py2 cifar-10-batches-py
tar -czf cifar-100-python.tar.gz -C py2 cifar-100-python
same cifar10 train cifar-10-binary.tar.gz cifar-10-python.tar.gz
same cifar100 test cifar-100-binary.tar.gz cifar-100-python.tar.gz
same cifar10 test cifar-10-batches-bin/test_batch.bin py2/cifar-10-batches-py/test_batch
same cifar100 test cifar-100-binary/test.bin p5/cifar-100-python/test
same cifar10 test cifar-10-batches-bin/test_batch.bin odd/hwc.pkl
same cifar10 test cifar-10-batches-bin/test_batch.bin odd/chw.pkl
sluice info got.sluice --json | grep -q '"name":"chw.pkl"' || fail "the provenance does not name the file"

# Without labels: images alone, the same ones, and that is said.
sluice write cifar10 odd/nolabel.pkl n.sluice >out 2>err || fail "nolabel: $(cat err)"
grep -q 'nolabel.pkl: it has no labels' err || fail "nolabel: not said: $(cat err)"
for f in n got; do tail -c +12289 $f.sluice | head -c $((9 * 3072)) >$f.pixels; done
cmp n.pixels got.pixels || fail "nolabel: other pixels"
sluice info n.sluice --json | grep -q '"fields": \[{"name": "image"[^}]*}\]' || fail "nolabel: $(sluice info n.sluice --json)"
sluice write cifar10 odd/nolabel.pkl x.sluice --class-names=cat,dog 2>err
[ $? = 2 ] && grep -q 'class names, but no integer field' err || fail "names without labels: $(cat err)"

bad 'refers to posix.system: expected' cifar10 bad/call.pkl
bad 'labels: expected 9 labels, found 8' cifar10 bad/short.pkl
bad 'labels: image 0: expected a label from 0 to 9' cifar10 bad/label.pkl
bad 'labels: image 0: expected a label from 0 to 9' cifar10 bad/text.pkl
bad 'images: expected an array of u8' cifar10 bad/float.pkl
bad 'images: expected an array of u8' cifar10 bad/columns.pkl
bad 'images: expected an array of u8' cifar10 bad/shape.pkl
bad 'an array with 27647 bytes of elements, expected 27648' cifar10 bad/cut_array.pkl
bad 'no images' cifar10 bad/none.pkl
bad 'expected images under the key data, found none' cifar10 bad/no_images.pkl
bad 'ends at byte' cifar10 bad/cut.pkl
bad 'byte 4: memo 5 is empty' cifar10 bad/memo.pkl
bad 'byte 3: no mark' cifar10 bad/mark.pkl
bad 'byte 2: too few values' cifar10 bad/stack.pkl
bad 'byte 4: too few values' cifar10 bad/taken.pkl
bad 'a call of something that cannot be called' cifar10 bad/call_list.pkl
bad 'opcode 0x50' cifar10 bad/opcode.pkl
bad 'a pickle of protocol 1, expected 2 to 5' cifar10 bad/protocol.pkl
bad 'an integer of 9 bytes' cifar10 bad/long.pkl
bad 'more than 1048576 values' cifar10 bad/many.pkl
bad 'only one has labels' cifar10 bad/mixed
bad 'labels, but no coarse_labels' cifar100 bad/half.pkl
rm py2/cifar-10-batches-py/data_batch_4
bad 'data_batch_4 is not in it' cifar10 py2/cifar-10-batches-py

[ $failures = 0 ] && echo "all pickles good"
[ $failures = 0 ]
