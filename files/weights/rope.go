package weights

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// spellRopes writes the settings of rotary positions in the spelling of every version of
// transformers.
func spellRopes(modelType string, fields map[string]any) error {
	switch {
	case slices.Contains(layered(), modelType):
		return spellLayers(modelType, fields)
	case modelType == "phi3":
		return spellPhi3(fields)
	}
	return spellRope(fields, baseOf(modelType, false))
}

// baseOf is the base of the angles of a type's models where config.json has none.
func baseOf(modelType string, sliding bool) string {
	switch {
	case modelType == "smollm3":
		return "2000000.0"
	case modelType == "olmo3":
		return "500000.0"
	case modelType == "gemma3_text" && !sliding:
		return "1000000.0"
	}
	return "10000.0"
}

// spellLayers is spellRope where layers with a sliding window have settings of their
// own: transformers 5 looks for both in rope_parameters, 4 for the others' in
// rope_theta and rope_scaling, and for the base of these, of Gemma 3, in
// rope_local_base_freq.
func spellLayers(modelType string, fields map[string]any) error {
	const full, sliding, local = "full_attention", "sliding_attention", "rope_local_base_freq"
	both, ok := fields["rope_parameters"].(map[string]any)
	if !ok && fields["rope_parameters"] != nil {
		return fmt.Errorf("rope_parameters is %v; expected an object or null", fields["rope_parameters"])
	}
	kinds := map[string]any{}
	of := func(kind string, theta, scaling any) error {
		one := map[string]any{"rope_theta": theta, "rope_scaling": scaling, "rope_parameters": both[kind], "max_position_embeddings": fields["max_position_embeddings"]}
		if err := spellRope(one, baseOf(modelType, kind == sliding)); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		if one["rope_parameters"] != nil {
			kinds[kind] = one["rope_parameters"]
		}
		if kind == full && kinds[kind] != nil {
			fields["rope_theta"], fields["rope_scaling"] = one["rope_theta"], one["rope_scaling"]
		}
		return nil
	}
	if err := errors.Join(of(full, fields["rope_theta"], fields["rope_scaling"]), of(sliding, fields[local], nil)); err != nil {
		return err
	}
	if len(kinds) > 0 {
		fields["rope_parameters"] = kinds
	}
	if own, ok := kinds[sliding].(map[string]any); ok && modelType == "gemma3_text" {
		fields[local] = own["rope_theta"]
	}
	return nil
}

// spellPhi3 is spellRope for Phi-3, which takes no other keys in rope_scaling than it
// had at first, and the part of a head that turns beside it.
func spellPhi3(fields map[string]any) error {
	if err := spellRope(fields, baseOf("phi3", false)); err != nil {
		return err
	}
	if both, ok := fields["rope_parameters"].(map[string]any); ok && both["partial_rotary_factor"] != nil {
		fields["partial_rotary_factor"] = both["partial_rotary_factor"]
	}
	scaling, ok := fields["rope_scaling"].(map[string]any)
	if !ok {
		return nil
	}
	if limit := scaling["original_max_position_embeddings"]; limit != nil && fields["original_max_position_embeddings"] == nil {
		fields["original_max_position_embeddings"] = limit
	}
	for _, key := range []string{"rope_type", "partial_rotary_factor", "original_max_position_embeddings"} {
		delete(scaling, key)
	}
	return nil
}

// spellRope writes the settings of rotary positions as rope_theta and
// rope_scaling, where transformers 4 looks for them, and as rope_parameters, where
// transformers 5 does. theta is the base where none is given.
func spellRope(fields map[string]any, theta string) error {
	both, err := joinedRope(fields)
	if err != nil || len(both) == 0 { // nothing is the default of every version
		return err
	}
	if both["rope_type"] == nil {
		both["rope_type"] = "default"
	}
	if both["rope_type"] == "llama3" && both["original_max_position_embeddings"] == nil && fields["max_position_embeddings"] != nil {
		both["original_max_position_embeddings"] = fields["max_position_embeddings"]
	}
	if both["rope_theta"] == nil {
		both["rope_theta"] = json.Number(theta)
	}
	fields["rope_parameters"], fields["rope_theta"], fields["rope_scaling"] = both, both["rope_theta"], nil
	if both["rope_type"] != "default" {
		scaling := maps.Clone(both)
		delete(scaling, "rope_theta")
		scaling["type"] = both["rope_type"] // where versions before 4.43 look
		fields["rope_scaling"] = scaling
	}
	return nil
}

// joinedRope are the settings of rope_parameters, rope_scaling and rope_theta
// under the names of the first; what stands in several places must be the same.
func joinedRope(fields map[string]any) (map[string]any, error) {
	old, errOld := ropeSettings(fields, "rope_scaling")
	both, errBoth := ropeSettings(fields, "rope_parameters")
	if err := errors.Join(errOld, errBoth); err != nil {
		return nil, err
	}
	if both == nil {
		both = map[string]any{}
	}
	set := func(key string, value any) error {
		was, ok := both[key]
		if ok && was != nil && value != nil && number(was) != number(value) {
			return fmt.Errorf("%s is %v in one place and %v in another (rope_theta, rope_scaling, rope_parameters); expected the same; correct one of them", key, was, value)
		}
		if value != nil {
			both[key] = value
		}
		return nil
	}
	var problems []error
	for key, value := range old {
		if key == "type" {
			key = "rope_type"
		}
		problems = append(problems, set(key, value))
	}
	problems = append(problems, set("rope_theta", fields["rope_theta"]))
	if value, ok := both["type"]; ok {
		delete(both, "type")
		problems = append(problems, set("rope_type", value))
	}
	return both, errors.Join(problems...)
}

// ropeSettings is a copy of the object under a key, nil where there is none.
func ropeSettings(fields map[string]any, key string) (map[string]any, error) {
	v, ok := fields[key].(map[string]any)
	if !ok && fields[key] != nil {
		return nil, fmt.Errorf("%s is %v; expected an object or null", key, fields[key])
	}
	for name, value := range v {
		if _, nested := value.(map[string]any); nested {
			return nil, fmt.Errorf("%s has settings of its own for %q; expected one for all layers", key, name)
		}
	}
	return maps.Clone(v), nil
}
