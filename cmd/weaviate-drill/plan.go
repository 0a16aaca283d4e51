package main

import (
	"encoding/json"
	"fmt"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"

	drill "github.com/weaviate-drill/weaviate-drill"
)

// plan prints what a run would do.
func (a *app) plan(cfg *drill.Config) error {
	plan := cfg.Plan()
	if a.output == "json" {
		e := json.NewEncoder(a.stdout)
		e.SetIndent("", "  ")
		return e.Encode(plan)
	}
	steps := [][]string{}
	for i, s := range plan.Steps {
		steps = append(steps, []string{fmt.Sprint(i + 1), string(s.Phase), s.Does})
	}
	if err := a.table("A drill would", []string{"", "phase", "does"}, steps); err != nil {
		return err
	}
	permissions := [][]string{}
	for _, p := range plan.Permissions {
		permissions = append(permissions, []string{p.Where, p.System, p.Action, p.Object, p.For})
	}
	if err := a.table("\nIt needs these permissions", []string{"who", "granted by", "action", "on", "to"}, permissions); err != nil {
		return err
	}
	_, err := fmt.Fprintln(a.stdout, "\nNothing was changed, and nobody was asked.")
	return err
}

func (a *app) table(title string, header []string, rows [][]string) error {
	if _, err := fmt.Fprintln(a.stdout, title); err != nil {
		return err
	}
	options := []tablewriter.Option{}
	if a.output == "markdown" {
		options = append(options, tablewriter.WithRenderer(renderer.NewMarkdown()))
	}
	t := tablewriter.NewTable(a.stdout, options...)
	t.Header(header)
	if err := t.Bulk(rows); err != nil {
		return err
	}
	return t.Render()
}
