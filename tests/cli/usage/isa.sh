#!/bin/sh
# An instruction set that is not there.
. "$CLI"
edgetrain --isa mmx --version
