package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// offWords are values that turn a setting off: a foreign setting with one of
// them asks for nothing.
var offWords = map[string]bool{"": true, "false": true, "f": true, "no": true, "n": true, "none": true, "null": true, "-1": true}

// refused are settings of TrainingArguments (transformers 4.36 to 5.23) and of
// LocalRQA's scripts that would change the run and that gorqa does not have.
var refused = map[string]string{
	"fsdp":                   "gorqa does not shard by FSDP: leave the flag out; for less memory use --gradient_checkpointing and --bf16",
	"fsdp_config":            "gorqa does not shard by FSDP: leave the flag out",
	"accelerator_config":     "gorqa does not run on accelerate: leave the flag out",
	"parallelism_config":     "gorqa does not run on accelerate: leave the flag out",
	"fp16":                   "gorqa does not compute in float16, which needs loss scaling: use --bf16 true, or --bf16 false for float32",
	"fp16_full_eval":         "gorqa does not compute in float16: evaluation computes as --bf16 says",
	"use_mps_device":         "the engine has no backend for Apple's GPUs: use --backend xla:cpu",
	"dropout":                "T5's is --dropout_rate, with train fid, and an adapter's --lora_dropout; decoders are trained without, as their config.json files ask: leave the flag out",
	"label_smoothing_factor": "the loss is the plain negative log-likelihood: leave the flag out",
	"neftune_noise_alpha":    "no noise is added to embeddings: leave the flag out",
	"optim_args":             "AdamW is set by --adam_beta1, --adam_beta2, --adam_epsilon and --weight_decay",
	"optim_target_modules":   "all weights are trained: leave the flag out",
	"adafactor":              "the optimiser is AdamW: leave the flag out",
	"auto_find_batch_size":   "gorqa doctor compares the memory needed with the memory there: choose --per_device_train_batch_size with it",
	"eval_delay":             "evaluation starts with the first step: use --eval_steps",
	"prediction_loss_only":   "evaluation also retrieves and answers: use --do_eval false and gorqa eval, if that takes too long",
	"dataloader_drop_last":   "every row is trained on: leave the flag out",
	"ignore_data_skip":       "a resumed run goes on at the row where it stopped: leave the flag out",
	"push_to_hub":            "gorqa uploads nothing: upload output_dir with Hugging Face's own tool",
	"use_dora":               "adapters are plain LoRA or, with --use_rslora, rsLoRA: leave the flag out",
	"lora_modules_to_save":   "beside an adapter no weight is trained: leave the flag out",
	"lora_target_parameters": "adapters stand on linear layers: use --lora_target_modules",
	"bnb_4bit_quant_type":    "4 bits are even steps, as GGUF has them: leave the flag out",
	"max_length":             "use --max_seq_length for a row and --eval_max_new_tokens for an answer",
}

// ignored are settings of the same two that change nothing here.
var ignored = map[string]string{
	"deepspeed":                               "it is for training",
	"use_flash_attention":                     "attention is computed in blocks by gorqa's own graph on every device",
	"attn_implementation":                     "attention is computed in blocks by gorqa's own graph on every device",
	"lora_task_type":                          "the task follows from the model",
	"trust_remote_code":                       "code from a model folder is never run",
	"torch_dtype":                             "weights are held in float32 and computed as --bf16 says",
	"run_group":                               "nothing is sent to wandb",
	"qa_is_fid":                               "the model's config.json says whether it is an encoder-decoder, which then is asked as FiD does",
	"documents_path":                          "the documents are those of --full_dataset_file_path",
	"tf32":                                    "the engine chooses how float32 is multiplied",
	"half_precision_backend":                  "the engine computes as --bf16 says",
	"bf16_full_eval":                          "evaluation computes as --bf16 says",
	"torch_compile":                           "every step is compiled",
	"torch_compile_backend":                   "every step is compiled by XLA",
	"torch_compile_mode":                      "every step is compiled by XLA",
	"use_liger_kernel":                        "kernels come from the engine",
	"liger_kernel_config":                     "kernels come from the engine",
	"jit_mode_eval":                           "every step is compiled",
	"use_ipex":                                "the engine is XLA",
	"torch_empty_cache_steps":                 "the engine holds its own memory",
	"use_cache":                               "training has no cache, generation always one",
	"activation_checkpointing_kwargs":         "recomputing takes no arguments",
	"gradient_checkpointing_kwargs":           "recomputing takes no arguments",
	"average_tokens_across_devices":           "the loss is always per label token of the whole step",
	"group_by_length":                         "rows are packed, so lengths need no grouping",
	"length_column_name":                      "rows are packed, so lengths need no column",
	"train_sampling_strategy":                 "rows come in random order",
	"label_names":                             "labels are the answer's tokens, see --loss_on",
	"remove_unused_columns":                   "rows keep what they hold",
	"include_inputs_for_metrics":              "all metrics are always computed",
	"include_for_metrics":                     "all metrics are always computed",
	"batch_eval_metrics":                      "all metrics are always computed",
	"include_tokens_per_second":               "tokens a second are always logged",
	"include_num_input_tokens_seen":           "tokens are always counted",
	"eval_accumulation_steps":                 "only scores are kept of an evaluation",
	"eval_do_concat_batches":                  "only scores are kept of an evaluation",
	"eval_use_gather_object":                  "only scores are kept of an evaluation",
	"do_predict":                              "the test set is scored when test_file is given",
	"logging_dir":                             "event files lie in output_dir/runs",
	"logging_strategy":                        "a line is logged every logging_steps",
	"logging_first_step":                      "the first step is always logged",
	"logging_nan_inf_filter":                  "a loss that is not a number always stops the run",
	"log_level":                               "everything is logged",
	"log_level_replica":                       "there are no replicas",
	"log_on_each_node":                        "there is one node",
	"run_name":                                "a run is named by its output_dir",
	"project":                                 "nothing is sent to trackio",
	"trackio_space_id":                        "nothing is sent to trackio",
	"trackio_bucket_id":                       "nothing is sent to trackio",
	"trackio_static_space_id":                 "nothing is sent to trackio",
	"save_only_model":                         "a checkpoint always can be resumed; the finished model is saved without the moments",
	"save_safetensors":                        "weights are always saved as safetensors",
	"save_on_each_node":                       "there is one node",
	"enable_jit_checkpoint":                   "Ctrl-C and SIGTERM always save a checkpoint",
	"restore_callback_states_from_checkpoint": "there are no callbacks",
	"full_determinism":                        "a run with the same seed always gives the same weights on the same machine",
	"skip_memory_metrics":                     "memory is always logged",
	"debug":                                   "there is no such debugging here",
	"past_index":                              "decoders keep no state between rows",
	"hub_private_repo":                        "gorqa uploads nothing",
	"hub_model_id":                            "gorqa uploads nothing",
	"hub_strategy":                            "gorqa uploads nothing",
	"hub_always_push":                         "gorqa uploads nothing",
	"hub_revision":                            "gorqa uploads nothing",
	"local_rank":                              "mpirun or srun tell it",
	"ddp_backend":                             "gorqa divides its work its own way",
	"ddp_find_unused_parameters":              "gorqa divides its work its own way",
	"ddp_bucket_cap_mb":                       "gorqa divides its work its own way",
	"ddp_broadcast_buffers":                   "gorqa divides its work its own way",
	"ddp_static_graph":                        "gorqa divides its work its own way",
	"dataloader_num_workers":                  "rows are prepared in the background",
	"dataloader_pin_memory":                   "rows are prepared in the background",
	"dataloader_persistent_workers":           "rows are prepared in the background",
	"dataloader_prefetch_factor":              "rows are prepared in the background",
	"dataloader_multiprocessing_context":      "rows are prepared in the background",
	"dataloader_in_order":                     "rows come in the order of the seed",
	"dispatch_batches":                        "gorqa divides its work its own way",
	"split_batches":                           "gorqa divides its work its own way",
	"tp_size":                                 "there is one device",
	"mp_parameters":                           "there is one device",
	"tpu_num_cores":                           "the device is chosen by --backend",
	"tpu_metrics_debug":                       "the device is chosen by --backend",
	"fp16_opt_level":                          "it is for float16",
	"fp16_backend":                            "it is for float16",
	"fsdp_min_num_params":                     "it is for FSDP",
	"fsdp_transformer_layer_cls_to_wrap":      "it is for FSDP",
	"torchdynamo":                             "every step is compiled",
	"ray_scope":                               "hyperparameters are not searched for",
	"use_legacy_prediction_loop":              "there is one loop of evaluation",
	"push_to_hub_model_id":                    "gorqa uploads nothing",
	"push_to_hub_organization":                "gorqa uploads nothing",
	"push_to_hub_token":                       "gorqa uploads nothing",
	"eval_data_path":                          "rows are those of eval_file",
}

// foreign declares the settings that are refused or ignored.
func (s *set) foreign() {
	s.section("")
	if s.lookup("gradient_accumulation_steps") != nil {
		s.deepSpeed()
	}
	for _, table := range []map[string]string{refused, ignored} {
		isRefused := table["fsdp"] != ""
		for name, why := range table {
			if s.lookup(name) != nil { // taken by this command
				continue
			}
			s.add(&setting{
				name: name, kind: list, off: why, refused: isRefused,
				assign: func(string) error { return nil },
				text:   func() string { return "" },
			})
		}
	}
}

// asksForNothing tells whether a foreign setting was given a value that turns
// it off.
func asksForNothing(values []string) bool {
	value := strings.ToLower(strings.Join(values, " "))
	return strings.Trim(value, " 0.[]{}") == "" || offWords[value]
}

// onByDefault are the parts of accelerator_config that are on where nothing is
// asked for.
var onByDefault = []string{"even_batches", "use_seedable_sampler"}

// objectAsksForNothing is asksForNothing of a JSON object.
func objectAsksForNothing(text string) bool {
	var object map[string]any
	if json.Unmarshal([]byte(text), &object) != nil {
		return false
	}
	for name, value := range object {
		on := slices.Contains(onByDefault, name)
		if value == nil || on && value == true {
			continue
		}
		if on || !asksForNothing([]string{fmt.Sprint(value)}) {
			return false
		}
	}
	return true
}

// hiddenToken tells whether a program wrote a name in a token's place, as
// transformers does ("<HUB_TOKEN>").
func hiddenToken(values []string) bool {
	return len(values) == 1 && strings.HasPrefix(values[0], "<") && strings.HasSuffix(values[0], "_TOKEN>")
}

// knownElsewhere tells whether some command takes a setting of this name.
func knownElsewhere(name string) bool {
	train, fid, eval, index, ask := DefaultTrain(SwR), DefaultTrain(FiD), DefaultEval(), DefaultIndex(), DefaultAsk()
	for _, s := range []Settings{&train, &fid, &eval, &index, &ask} {
		if st := newSet(s).lookup(name); st != nil && st.off == "" {
			return true
		}
	}
	return false
}
