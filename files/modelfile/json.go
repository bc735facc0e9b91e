package modelfile

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// JSONError words what encoding/json says of a value of the wrong type by the file's own
// names: "question: number found; a text expected". Other errors are as they are.
func JSONError(err error) error {
	typed, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return err
	}
	field := typed.Field
	if at := strings.LastIndex(field, "."); at >= 0 && field[:at] != strings.ToLower(field[:at]) {
		field = field[at+1:] // behind the name of a Go struct, which the file does not know
	}
	return fmt.Errorf("%s: %s found; %s expected", cmp.Or(field, "the whole"), typed.Value, JSONType(typed.Type))
}

// JSONType is what a type is called in JSON.
func JSONType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return JSONType(t.Elem())
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "a whole number"
	}
	return "a text"
}
