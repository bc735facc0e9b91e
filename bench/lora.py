"""As train.py, with peft's LoRA of rank 16 on every linear layer but the head."""
import peft
import torch

import peer

args = peer.arguments(model=None, rows=None, rank=16, alpha=32)
model = peer.load_model(args["model"], torch.float32)
config = peft.LoraConfig(
    r=args["rank"], lora_alpha=args["alpha"], lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
)
peer.train(peft.get_peft_model(model, config), peer.load_json(args["rows"]), args)
