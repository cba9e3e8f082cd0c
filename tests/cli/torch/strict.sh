#!/bin/sh
# What a run writes loads into torchvision's own models, every name and shape, and computes the same.
. "$CLI"
top=${CLI%/tests/cli/lib.sh}
python=/usr/bin/python3
$python -c "import torch, torchvision" 2>/dev/null || skip "no python3-torchvision here"
data d 24 6 32
for model in resnet18 mobilenet_v2; do
	sed 's/"height": 224, "width": 224/"height": 64, "width": 64/' "$top/configs/$model.json" >$model.json
	grep -q '"height": 64' $model.json || fail "$model.json has another size"
	edgetrain fit $model.json d -q -o $model --epochs 1 --batch-size 8 --lr 0.01 --augment none
	$python "$top/tests/peers/torch_strict.py" batch $model.batch
	sed 's/"p": 0.2/"p": 0/' $model.json >whole.json # grad trains: without dropout
	edgetrain grad whole.json $model.batch --classes 3 --weights $model/model.safetensors -q --bn frozen \
		--out $model.grad
	$python "$top/tests/peers/torch_strict.py" compare $model $model/model.safetensors $model.batch \
		$model.grad || fail "$model differs"
done
