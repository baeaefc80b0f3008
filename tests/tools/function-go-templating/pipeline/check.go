package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/template/parse"
)

type checkRequest struct {
	Template string `json:"template"`
}

type checkAnswer struct {
	Problems []string `json:"problems"`
}

// A checker walks a template with what it knows of `.` and of the variables.
type checker struct {
	text     string
	trees    map[string]*parse.Tree
	called   map[string]bool
	problems map[problem]bool
}

type problem struct {
	line    int
	message string
}

type scope struct {
	dot       path
	variables map[string]path
}

func (s scope) inner(dot path) scope {
	inner := scope{dot, map[string]path{}}
	for name, held := range s.variables {
		inner.variables[name] = held
	}
	return inner
}

func checkLine(line []byte) (any, error) {
	request := checkRequest{}
	if err := strict(line, &request); err != nil {
		return nil, err
	}
	return checkAnswer{check(request.Template)}, nil
}

func check(text string) []string {
	tree := parse.New("template")
	tree.Mode = parse.SkipFuncCheck
	c := checker{text, map[string]*parse.Tree{}, map[string]bool{}, map[problem]bool{}}
	if _, err := tree.Parse(text, "", "", c.trees); err != nil {
		return []string{"line " + strings.TrimPrefix(err.Error(), "template: template:")}
	}
	c.call("template", path{}, 0)
	for name := range c.trees {
		if !c.called[name] {
			c.call(name, path{}, 0)
		}
	}
	found := []problem{}
	for p := range c.problems {
		found = append(found, p)
	}
	slices.SortFunc(found, func(a, b problem) int {
		if a.line != b.line {
			return a.line - b.line
		}
		return strings.Compare(a.message, b.message)
	})
	lines := []string{}
	for _, p := range found {
		lines = append(lines, fmt.Sprintf("line %d: %s", p.line, p.message))
	}
	return lines
}

func (c *checker) report(at parse.Pos, format string, args ...any) {
	line := 1 + strings.Count(c.text[:at], "\n")
	c.problems[problem{line, fmt.Sprintf(format, args...)}] = true
}

// call follows `template` and `include` into a define, once for each thing that it is given.
func (c *checker) call(name string, given path, at parse.Pos) {
	key := fmt.Sprintf("%s %v %q", name, given == nil, given)
	if c.called[key] {
		return
	}
	c.called[key], c.called[name] = true, true
	if tree := c.trees[name]; tree != nil {
		c.list(tree.Root, scope{given, map[string]path{"$": given}}, "", "")
	} else {
		c.report(at, "there is no template %q", name)
	}
}

// list walks nodes; before and after are what stands around them on their line.
func (c *checker) list(list *parse.ListNode, s scope, before, after string) {
	if list == nil {
		return
	}
	for i, node := range list.Nodes {
		left := before + flat(list.Nodes[:i])
		left = left[strings.LastIndex(left, "\n")+1:]
		right, _, _ := strings.Cut(flat(list.Nodes[i+1:])+after, "\n")
		switch n := node.(type) {
		case *parse.ActionNode:
			c.pipe(n.Pipe, s)
			if prints(n) {
				c.printed(n, left, right)
			}
		case *parse.TemplateNode:
			var given path
			if n.Pipe != nil {
				given = c.pipe(n.Pipe, s)
			}
			c.call(n.Name, given, n.Pos)
			c.whole(n.Pos, left, right)
		case *parse.IfNode:
			inner := s.inner(s.dot)
			c.use(c.pipe(n.Pipe, inner), n.Pos)
			c.list(n.List, inner.inner(inner.dot), left, right)
			c.list(n.ElseList, inner.inner(inner.dot), left, right)
		case *parse.WithNode:
			inner := s.inner(s.dot)
			value := c.pipe(n.Pipe, inner)
			c.bind(value, n.Pos)
			c.list(n.List, inner.inner(value), left, right)
			c.list(n.ElseList, inner.inner(inner.dot), left, right)
		case *parse.RangeNode:
			inner := s.inner(s.dot)
			// Its elements may be read as it may.
			value := c.pipe(n.Pipe, inner)
			c.use(value, n.Pos)
			c.list(n.List, inner.inner(value), left, right)
			c.list(n.ElseList, inner.inner(inner.dot), left, right)
		}
	}
}

// printed holds that what comes out is one JSON value, or the text of a define, which is checked by itself.
func (c *checker) printed(n *parse.ActionNode, left, right string) {
	commands := n.Pipe.Cmds
	switch first, last := callee(commands[0]), callee(commands[len(commands)-1]); {
	case last == "toJson":
		c.whole(n.Pos, left, right)
	case first == "include" && last == "nindent" && len(commands) == 2:
		// It begins with a new line.
		c.whole(n.Pos, left+" ", right)
	case first == "include" && (len(commands) == 1 || last == "indent" && len(commands) == 2):
		c.whole(n.Pos, left, right)
	default:
		c.report(n.Pos, "{{%s}} is printed without toJson", n.Pipe)
	}
}

var (
	becomesKey  = regexp.MustCompile(`^[^,\[\]{}#]*:`)
	startsValue = regexp.MustCompile(`(^|[\[{,]|(^|\s)-\s|:\s)[ \t]*$`)
	endsValue   = regexp.MustCompile(`^[ \t]*([,\]}]|\s#|$)`)
)

// whole holds that an action is neither (part of) a key nor part of a longer text.
func (c *checker) whole(at parse.Pos, left, right string) {
	switch {
	case becomesKey.MatchString(right):
		c.report(at, "a value becomes a key")
	case !startsValue.MatchString(left) || !endsValue.MatchString(right):
		c.report(at, "a value becomes part of a longer text: %s…%s", left, right)
	}
}

// flat is the text of nodes, with a mark where something is printed.
func flat(nodes []parse.Node) string {
	text := ""
	for _, node := range nodes {
		switch n := node.(type) {
		case *parse.TextNode:
			text += string(n.Text)
		case *parse.ActionNode:
			if prints(n) {
				text += "…"
			}
		case *parse.TemplateNode:
			text += "…"
		case *parse.IfNode:
			text += branches(&n.BranchNode)
		case *parse.WithNode:
			text += branches(&n.BranchNode)
		case *parse.RangeNode:
			text += branches(&n.BranchNode)
		}
	}
	return text
}

func branches(n *parse.BranchNode) string {
	text := flat(n.List.Nodes)
	if n.ElseList != nil {
		text += flat(n.ElseList.Nodes)
	}
	return text
}

// prints says whether an action puts anything out: a variable's value doesn't, and fail ends it all.
func prints(n *parse.ActionNode) bool {
	return len(n.Pipe.Decl) == 0 && callee(n.Pipe.Cmds[len(n.Pipe.Cmds)-1]) != "fail"
}

// callee is the function that a command calls, if it is one.
func callee(command *parse.CommandNode) string {
	if name, is := command.Args[0].(*parse.IdentifierNode); is {
		return name.Ident
	}
	return ""
}
