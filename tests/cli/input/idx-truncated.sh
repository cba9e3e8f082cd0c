#!/bin/sh
# An IDX file that ends early.
. "$CLI"
spec s.json && data d
head -c 1000 d/train-images-idx3-ubyte >t && mv t d/train-images-idx3-ubyte
edgetrain fit s.json d -q
