package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// A function that goes on asking for something else is given up after so many more runs, as by Crossplane 2.3.
const mostRounds = 5

type runRequest struct {
	Steps []struct {
		Step    string          `json:"step"`
		Address string          `json:"address"`
		Input   json.RawMessage `json:"input"`
	} `json:"steps"`
	Observed json.RawMessage  `json:"observed"`
	Cluster  []map[string]any `json:"cluster"`
}

type runAnswer struct {
	// Absent after a fatal result: Crossplane then touches nothing.
	Desired    json.RawMessage `json:"desired,omitempty"`
	Context    json.RawMessage `json:"context,omitempty"`
	Conditions []condition     `json:"conditions"`
	Results    []result        `json:"results"`
	Fatal      *string         `json:"fatal,omitempty"`
	FatalStep  string          `json:"fatalStep,omitempty"`
	// What is no result of a function: it can't be reached, or asks for ever more.
	Error string `json:"error,omitempty"`
}

type condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Target  string `json:"target"`
}

type result struct {
	Step     string `json:"step"`
	Severity string `json:"severity"`
	Message  string `json:"message"`
}

func runLine(line []byte) (any, error) {
	request, observed := runRequest{}, &fnv1.State{}
	if err := strict(line, &request); err != nil {
		return nil, err
	}
	if err := protojson.Unmarshal(request.Observed, observed); err != nil {
		return nil, fmt.Errorf("observed: %w", err)
	}
	inputs := make([]*structpb.Struct, len(request.Steps))
	for i, step := range request.Steps {
		if len(step.Input) == 0 {
			continue
		}
		inputs[i] = &structpb.Struct{}
		if err := protojson.Unmarshal(step.Input, inputs[i]); err != nil {
			return nil, fmt.Errorf("input of step %q: %w", step.Step, err)
		}
	}
	return run(request, inputs, observed), nil
}

// run hands desired state and context from step to step until the last one, or one with a fatal result.
func run(request runRequest, inputs []*structpb.Struct, observed *fnv1.State) runAnswer {
	answer := runAnswer{Conditions: []condition{}, Results: []result{}}
	desired, handed := &fnv1.State{}, &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for i, step := range request.Steps {
		response, err := settled(step.Address, &fnv1.RunFunctionRequest{
			Meta: &fnv1.RequestMeta{Tag: step.Step, Capabilities: []fnv1.Capability{
				fnv1.Capability_CAPABILITY_CAPABILITIES,
				fnv1.Capability_CAPABILITY_REQUIRED_RESOURCES,
				fnv1.Capability_CAPABILITY_CREDENTIALS,
				fnv1.Capability_CAPABILITY_CONDITIONS,
				fnv1.Capability_CAPABILITY_REQUIRED_SCHEMAS,
			}},
			Observed: observed, Desired: desired, Context: handed, Input: inputs[i],
		}, request.Cluster)
		if err != nil {
			answer.Error = fmt.Sprintf("step %q: %v", step.Step, err)
			return answer
		}
		desired, handed = response.GetDesired(), response.GetContext()
		for _, c := range response.GetConditions() {
			answer.Conditions = append(answer.Conditions, readable(c))
		}
		for _, r := range response.GetResults() {
			if r.GetSeverity() == fnv1.Severity_SEVERITY_FATAL {
				message := r.GetMessage()
				answer.Fatal, answer.FatalStep = &message, step.Step
				return answer
			}
			severity := "Warning"
			if r.GetSeverity() == fnv1.Severity_SEVERITY_NORMAL {
				severity = "Normal"
			}
			answer.Results = append(answer.Results, result{step.Step, severity, r.GetMessage()})
		}
	}
	var err error
	if answer.Desired, err = protojson.Marshal(desired); err == nil {
		answer.Context, err = protojson.Marshal(handed)
	}
	if err != nil {
		answer.Error = err.Error()
	}
	return answer
}

func readable(c *fnv1.Condition) condition {
	status, target := "Unknown", "Composite"
	switch c.GetStatus() {
	case fnv1.Status_STATUS_CONDITION_TRUE:
		status = "True"
	case fnv1.Status_STATUS_CONDITION_FALSE:
		status = "False"
	}
	if c.GetTarget() == fnv1.Target_TARGET_COMPOSITE_AND_CLAIM {
		target = "CompositeAndClaim"
	}
	return condition{c.GetType(), status, c.GetReason(), c.GetMessage(), target}
}

// settled runs one function until it asks for what it has already been given.
func settled(
	address string, request *fnv1.RunFunctionRequest, cluster []map[string]any,
) (*fnv1.RunFunctionResponse, error) {
	client, err := function(address)
	if err != nil {
		return nil, err
	}
	var given *fnv1.Requirements
	for range mostRounds + 1 {
		within, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		response, err := client.RunFunction(within, request, grpc.WaitForReady(true))
		cancel()
		if err != nil {
			return nil, err
		}
		fatal := func(r *fnv1.Result) bool { return r.GetSeverity() == fnv1.Severity_SEVERITY_FATAL }
		wanted := response.GetRequirements()
		if slices.ContainsFunc(response.GetResults(), fatal) || proto.Equal(wanted, given) {
			return response, nil
		}
		if len(wanted.GetSchemas()) > 0 {
			return nil, fmt.Errorf("it asks for schemas, which nobody holds here")
		}
		given = wanted
		request.Context = response.GetContext()
		// By the older name what is asked for by the older name.
		if request.ExtraResources, err = fetched(wanted.GetExtraResources(), cluster); err != nil {
			return nil, err
		}
		if request.RequiredResources, err = fetched(wanted.GetResources(), cluster); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("it still asks for something else after %d rounds", mostRounds)
}

func fetched(wanted map[string]*fnv1.ResourceSelector, cluster []map[string]any) (map[string]*fnv1.Resources, error) {
	found := map[string]*fnv1.Resources{}
	for name, selector := range wanted {
		resources, err := fetch(selector, cluster)
		if err != nil {
			return nil, fmt.Errorf("requirement %q: %w", name, err)
		}
		found[name] = resources
	}
	return found, nil
}

// fetch looks for one object by its name, where nil says that there is none, or for all that fit, be they none.
func fetch(selector *fnv1.ResourceSelector, cluster []map[string]any) (*fnv1.Resources, error) {
	_, byName := selector.GetMatch().(*fnv1.ResourceSelector_MatchName)
	var found []map[string]any
	for _, object := range cluster {
		namespace, name := place(object)
		if object["apiVersion"] != selector.GetApiVersion() || object["kind"] != selector.GetKind() {
			continue
		}
		if byName && (name != selector.GetMatchName() || namespace != selector.GetNamespace()) {
			continue
		}
		if !byName && selector.GetNamespace() != "" && namespace != selector.GetNamespace() {
			continue
		}
		if carries(object, selector.GetMatchLabels().GetLabels()) {
			found = append(found, object)
		}
	}
	if byName && len(found) == 0 {
		return nil, nil
	}
	slices.SortFunc(found, func(a, b map[string]any) int {
		aNamespace, aName := place(a)
		bNamespace, bName := place(b)
		return cmp.Compare(aNamespace+"/"+aName, bNamespace+"/"+bName)
	})
	resources := &fnv1.Resources{}
	for _, object := range found {
		encoded, err := structpb.NewStruct(object)
		if err != nil {
			return nil, err
		}
		resources.Items = append(resources.Items, &fnv1.Resource{Resource: encoded})
	}
	return resources, nil
}

func place(object map[string]any) (namespace, name string) {
	metadata, _ := object["metadata"].(map[string]any)
	namespace, _ = metadata["namespace"].(string)
	name, _ = metadata["name"].(string)
	return namespace, name
}

func carries(object map[string]any, labels map[string]string) bool {
	metadata, _ := object["metadata"].(map[string]any)
	carried, _ := metadata["labels"].(map[string]any)
	for key, value := range labels {
		if carried[key] != value {
			return false
		}
	}
	return true
}

var functions = map[string]fnv1.FunctionRunnerServiceClient{}

func function(address string) (fnv1.FunctionRunnerServiceClient, error) {
	if client, known := functions[address]; known {
		return client, nil
	}
	// Loopback, whatever proxy the environment names.
	connection, err := grpc.NewClient("passthrough:///"+address, grpc.WithNoProxy(),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	functions[address] = fnv1.NewFunctionRunnerServiceClient(connection)
	return functions[address], nil
}
