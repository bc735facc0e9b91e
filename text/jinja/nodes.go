package jinja

// The statements and expressions of a template. What each does stands with its
// method run or eval.
type (
	statement interface {
		run(*run, *scope) (signal, error)
	}
	expression interface {
		eval(*run, *scope) (any, error)
	}

	textNode  struct{ text string }
	printNode struct {
		line   int
		values []expression
	}
	ifNode struct {
		line      int
		tests     []expression // if, elif, …
		bodies    [][]statement
		otherwise []statement
	}
	forNode struct {
		line      int
		target    target
		over      expression
		test      expression // nil for all
		body      []statement
		otherwise []statement
		recursive bool
	}
	setNode struct {
		line   int
		target target
		value  expression
	}
	setBlockNode struct {
		line    int
		target  target
		filters []filterNode
		body    []statement
	}
	withNode struct {
		line    int
		targets []target
		values  []expression
		body    []statement
	}
	macroNode struct {
		line     int
		name     string
		names    []string
		defaults []expression // of the last names
		body     []statement
		// What the body refers to of what is not in the signature.
		varargs, kwargs, caller bool
	}
	callBlockNode struct {
		line  int
		call  *callNode
		macro *macroNode
	}
	filterBlockNode struct {
		line    int
		filters []filterNode
		body    []statement
	}
	// generationNode is transformers' {% generation %}: it marks the
	// assistant's text for another use and renders its body.
	generationNode struct {
		line int
		body []statement
	}
	jumpNode signal // break or continue

	constNode struct{ value any }
	nameNode  struct{ name string }
	listNode  struct{ items []expression }
	tupleNode struct{ items []expression }
	dictNode  struct{ keys, values []expression }
	unaryNode struct {
		op kind // "-", "+" or "not"
		of expression
	}
	binaryNode struct {
		op          kind
		left, right expression
	}
	concatNode  struct{ parts []expression } // a ~ b
	compareNode struct {
		first expression
		ops   []kind // with "in" and "not in"
		rest  []expression
	}
	logicNode struct {
		and         bool
		left, right expression
	}
	conditionNode struct {
		test, then, otherwise expression // otherwise may be nil
	}
	attributeNode struct {
		of   expression
		name string
	}
	itemNode struct {
		of, key expression
	}
	sliceNode struct{ start, stop, step expression }
	callNode  struct {
		of   expression // nil in a call's arguments alone
		args argumentNodes
	}
	filterNode struct {
		name string
		of   expression // nil for what a block holds
		args argumentNodes
	}
	testNode struct {
		name string
		of   expression
		args argumentNodes
		not  bool
	}

	argumentNodes struct {
		positional []expression
		names      []string
		named      []expression
		list, dict expression // *a and **b
	}

	// target is what is assigned to: a name, an attribute of a namespace, or
	// several of both.
	target struct {
		name, attribute string
		parts           []target
	}
)
