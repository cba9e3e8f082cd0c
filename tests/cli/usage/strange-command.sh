#!/bin/sh
# A command that is near nothing.
. "$CLI"
edgetrain xylophone
