"""As train.py, with the adapter of inputs.py by peft."""
import peft
import torch

import peer

args = peer.arguments(model=None, rows=None, adapter=None)
model = peer.load_model(args["model"], torch.float32)
adapted = peft.PeftModel.from_pretrained(model, args["adapter"], is_trainable=True)
peer.train(adapted, peer.load_json(args["rows"]), args)
