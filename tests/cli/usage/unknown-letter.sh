#!/bin/sh
# An unknown letter in a bundle.
. "$CLI"
edgetrain fit -qz spec.json data
