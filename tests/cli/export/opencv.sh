#!/bin/sh
# ONNX's checker and OpenCV make of every small network what this program does.
. "$CLI"
top=${CLI%/tests/cli/lib.sh}
[ -z "$RUNNER" ] || skip "not under an emulator"
/usr/bin/python3 "$top/tests/peers/onnx_opencv.py" --quick --edgetrain "$EDGETRAIN" >out 2>err
code=$?
[ $code -ne 77 ] || skip "$(cat err)"
[ $code -eq 0 ] || fail "$(cat out err)"
