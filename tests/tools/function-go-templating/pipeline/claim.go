package main

import (
	"slices"
	"strings"
	"text/template/parse"
)

// A path is where a value stands in the function's request, from `.`, which is the empty path. Nil is any other value.
type path []string

// What a template may read of a claim, from its root; tenants write all the rest.
var open = []path{
	{"metadata", "name"},
	{"metadata", "namespace"},
	{"metadata", "uid"},
	{"spec", "parameters"},
}

// Where the request holds the claim.
var claim = path{"observed", "composite", "resource"}

func (p path) then(names ...string) path {
	if p == nil {
		return nil
	}
	return append(slices.Clone(p), names...)
}

func (p path) below(above path) bool {
	return len(p) >= len(above) && slices.Equal(p[:len(above)], above)
}

// use holds that a value which something is made of may be read.
func (c *checker) use(p path, at parse.Pos) {
	if p == nil || p.readable() {
		return
	}
	if len(p) == 0 {
		c.report(at, "the whole request is passed on")
		return
	}
	place := strings.Join(p, ".")
	c.report(at, "reads .%s, which is more of the claim than its name, namespace, uid and parameters", place)
}

func (p path) readable() bool {
	if len(p) == 0 {
		return false
	}
	// What else there is besides the claim in what was observed.
	if p[0] != "observed" || p.below(path{"observed", "resources"}) {
		return true
	}
	return slices.ContainsFunc(open, func(part path) bool { return p.below(claim.then(part...)) })
}

// bind holds that a value which only gets another name leads to one that may be read.
func (c *checker) bind(p path, at parse.Pos) {
	leads := func(part path) bool { return claim.then(part...).below(p) }
	if !slices.ContainsFunc(open, leads) {
		c.use(p, at)
	}
}

func (c *checker) pipe(pipe *parse.PipeNode, s scope) path {
	var value path
	for i, command := range pipe.Cmds {
		value = c.command(command, s, value, i > 0)
	}
	for _, variable := range pipe.Decl {
		name := variable.Ident[0]
		if pipe.IsAssign {
			// Whether it happens is not known here, so that the name keeps what it was declared with.
			c.use(value, pipe.Pos)
		} else {
			c.bind(value, pipe.Pos)
			s.variables[name] = value
		}
	}
	return value
}

func (c *checker) command(command *parse.CommandNode, s scope, piped path, hasPiped bool) path {
	if name, is := command.Args[0].(*parse.IdentifierNode); is {
		return c.function(name, command.Args[1:], s, piped, hasPiped)
	}
	for _, argument := range command.Args[1:] {
		c.use(c.value(argument, s), argument.Position())
	}
	return c.value(command.Args[0], s)
}

func (c *checker) value(node parse.Node, s scope) path {
	switch n := node.(type) {
	case *parse.DotNode:
		return s.dot
	case *parse.FieldNode:
		return s.dot.then(n.Ident...)
	case *parse.VariableNode:
		return s.variables[n.Ident[0]].then(n.Ident[1:]...)
	case *parse.ChainNode:
		return c.value(n.Node, s).then(n.Field...)
	case *parse.PipeNode:
		return c.pipe(n, s)
	case *parse.IdentifierNode:
		return c.function(n, nil, s, nil, false)
	}
	return nil
}

// function judges a call: what it is given, and whether the template may call it at all.
func (c *checker) function(name *parse.IdentifierNode, nodes []parse.Node, s scope, piped path, hasPiped bool) path {
	if forbidden(name.Ident) {
		c.report(name.Pos, "%s is not to be called", name.Ident)
	}
	given := []path{}
	for _, node := range nodes {
		given = append(given, c.value(node, s))
	}
	if hasPiped {
		given = append(given, piped)
	}
	if len(nodes) == 0 {
		for _, p := range given {
			c.use(p, name.Pos)
		}
		return nil
	}
	switch name.Ident {
	case "index", "get", "hasKey":
		if names, literal := keys(nodes); !hasPiped && literal {
			if name.Ident != "hasKey" {
				return given[0].then(names...)
			}
			c.use(given[0].then(names...), name.Pos)
			return nil
		}
	case "include":
		if called, literal := nodes[0].(*parse.StringNode); literal && len(given) == 2 {
			c.call(called.Text, given[1], name.Pos)
			return nil
		}
		c.report(name.Pos, "include is called without the name of a template")
	case "getComposedResource", "getExtraResources", "getExtraResourcesFromContext":
		// They take the whole request, and give none of the claim.
		if given[0] != nil && len(given[0]) == 0 {
			given = given[1:]
		}
	}
	for _, p := range given {
		c.use(p, name.Pos)
	}
	return nil
}

// keys are the arguments behind the first, if each of them is a text.
func keys(arguments []parse.Node) (names []string, literal bool) {
	for _, node := range arguments[1:] {
		text, is := node.(*parse.StringNode)
		if !is {
			return nil, false
		}
		names = append(names, text.Text)
	}
	return names, true
}

// forbidden says which functions give the claim as a whole, secrets, the machine's state, or something else each time.
func forbidden(name string) bool {
	switch name {
	case "randAlpha", "randAlphaNum", "randNumeric", "shuffle":
		return false
	case "getCompositeResource", "getCredentialData",
		"ago", "now", "unixEpoch",
		"bcrypt", "encryptAES", "htpasswd", "uuidv4",
		"env", "expandenv", "getHostByName", "lookup", "tpl":
		return true
	}
	for _, start := range []string{"date", "htmlDate", "mustDate", "must_date", "gen", "rand"} {
		if strings.HasPrefix(name, start) {
			return true
		}
	}
	return false
}
