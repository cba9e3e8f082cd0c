#!/bin/sh
# A classifier for another number of classes starts anew, and the program says so.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o a --epochs 1
spec t.json 2
mkdir e && idx e/train-images-idx3-ubyte 8 30 1 images && idx e/train-labels-idx1-ubyte 8 30 1 labels
LC_ALL=C tr "\002" "\001" <e/train-labels-idx1-ubyte | tail -c +9 >labels
head -c 8 e/train-labels-idx1-ubyte | cat - labels >t && mv t e/train-labels-idx1-ubyte
edgetrain fit t.json e --epochs 1 -o b --init a/model.safetensors >out
