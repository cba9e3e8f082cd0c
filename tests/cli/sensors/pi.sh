#!/bin/sh
# A Raspberry Pi 5 with an INA226 on its supply: table, JSON, rows; a source by name, or none.
. "$CLI"
put() { mkdir -p "$(dirname "$1")" && printf '%b' "$2" >"$1"; }
put pi/dev/vcio/pmic_read_adc ' A_A current(0)=0.5A\n B_A current(1)=2.0A\nEXT5V_V volt(24)=5.1V\n'
printf '   A_V volt(8)=3.0V\n   B_V volt(9)=0.75V\n' >>pi/dev/vcio/pmic_read_adc
put pi/dev/vcio/get_throttled 'throttled=0x50005\n'
put pi/dev/vcio/measure_temp "temp=61.5'C\\n"
put 'pi/dev/vcio/measure_clock arm' 'frequency(0)=1500019456\n'
put pi/proc/device-tree/model 'Raspberry Pi 5 Model B Rev 1.0\0'
put pi/proc/stat 'cpu  100 0 100 800 0 0 0 0 0 0\n'
put pi/sys/class/hwmon/hwmon2/name 'ina226\n'
put pi/sys/class/hwmon/hwmon2/power1_input '7250000\n'
put pi/sys/class/hwmon/hwmon2/shunt_resistor '100000\n'
edgetrain sensors --sysroot pi
edgetrain sensors --sysroot pi --format json
edgetrain sensors --sysroot pi --interval 0.1 --count 2 >rows
# A machine too busy to look five times in half a second leaves a gap.
sed -e 's/^[0-9.]*,pmic,3*,[0-9.]*,61/T,pmic,3,E,61/' rows
edgetrain sensors --sysroot pi --power hwmon --count 1 | grep -c 'hwmon:ina226,'
edgetrain sensors --sysroot pi --power none --interval 0.1 --count 1 | tail -n 1 | sed 's/^[0-9.]*,/T,/'
edgetrain sensors --sysroot pi --power rapl && fail "took a source that is not there"
edgetrain sensors --sysroot pi --power ina322 && fail "took a source that there is not"
edgetrain sensors --format json --count 1 && fail "JSON and rows"
edgetrain sensors here && fail "took an operand"
exit 0
