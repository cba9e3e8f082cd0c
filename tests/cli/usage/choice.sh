#!/bin/sh
# A word that is none of the choices.
. "$CLI"
edgetrain plan spec.json --optimizer sdg
