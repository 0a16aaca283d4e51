// Package drill is one drill, from Config to Record: the order of the steps, and nothing else.
package drill
