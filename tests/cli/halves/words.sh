#!/bin/sh
# datasets/demo.awk: the table, and words that are true whichever way it went.
. "$CLI"
cat >rows <<-END
before 0.8651
exact 0.8794 6.16 5.87 12.04 2500000 66.4
good 0.8758 6.26 0.19 7.3 270000 64
even 0.8651 7.5 5.8 12.1 2500000 66
bad 0.8451 5 11.74 18.06 3000000 67
END
awk -f "${CLI%/*}/../../datasets/demo.awk" rows
