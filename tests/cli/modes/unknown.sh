#!/bin/sh
. "$CLI"
edgetrain modes filtre
