package verify

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestSampleSize(t *testing.T) {
	for _, c := range []struct {
		confidence, maxBad float64
		want               int
	}{
		{0.95, 0.01, 299}, {0.95, 0.001, 2995}, {0.95, 0.0001, 29956}, {0.99, 0.01, 459}, {0.99, 0.001, 4603}, {0.95, 0.5, 5}, {0.75, 0.5, 2},
	} {
		if got := SampleSize(c.confidence, c.maxBad); got != c.want {
			t.Errorf("%g confidence, %g bad: %d objects, want %d", c.confidence, c.maxBad, got, c.want)
		}
	}
}

// Two-sided Clopper-Pearson intervals as published have as upper end the one-sided bound of half the error: 1 of 10 at 95 %: 0.4450; 3 of 10: 0.6525; 5 of 20: 0.4910.
// The one-sided ones at 95 %: 0 of 10: 0.2589; 1 of 10: 0.3942; 9 of 10: 0.9949. A large population comes close to them.
func TestUpperBound(t *testing.T) {
	const large = 10_000_000
	for _, c := range []struct {
		population, drawn, bad int64
		confidence, want       float64
	}{
		{large, 10, 0, 0.95, 0.2589}, {large, 10, 1, 0.95, 0.3942}, {large, 10, 9, 0.95, 0.9949}, {large, 10, 1, 0.975, 0.4450}, {large, 10, 3, 0.975, 0.6525}, {large, 20, 5, 0.975, 0.4910},
		{large, 2995, 0, 0.95, 0.001}, {large, 10, 10, 0.95, 1}, {large, 0, 0, 0.95, 1}, {40, 40, 0, 0.95, 0}, {40, 40, 3, 0.95, 0.075},
	} {
		if got := UpperBound(c.population, c.drawn, c.bad, c.confidence); math.Abs(got-c.want) > 5e-5 {
			t.Errorf("%d of %d from %d at %g: %.5f, want %.4f", c.bad, c.drawn, c.population, c.confidence, got, c.want)
		}
	}
}

func TestBoundProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		confidence := rapid.Float64Range(0.5, 0.9999).Draw(t, "confidence")
		maxBad := math.Exp(rapid.Float64Range(math.Log(1e-6), math.Log(0.5)).Draw(t, "log of the share"))
		n := int64(SampleSize(confidence, maxBad))
		population := n + rapid.Int64Range(1, 1_000_000_000).Draw(t, "more than the sample")
		if got := UpperBound(population, n, 0, confidence); got > maxBad*(1+1e-6) {
			t.Fatalf("%d clean objects of %d prove %g and not %g", n, population, got, maxBad)
		}
		if n > 1 && math.Pow(1-maxBad, float64(n-1)) < (1-confidence)*(1-1e-9) {
			t.Fatalf("one object less than %d would do", n)
		}

		population = rapid.Int64Range(2, 5000).Draw(t, "population")
		drawn := rapid.Int64Range(1, population-1).Draw(t, "drawn")
		bad := rapid.Int64Range(0, drawn-1).Draw(t, "bad")
		bound := UpperBound(population, drawn, bad, confidence)
		if bound < float64(bad)/float64(drawn)-1/float64(population) || bound > 1 {
			t.Fatalf("%d of %d bound the share at %g", bad, drawn, bound)
		}
		if UpperBound(population, drawn, bad+1, confidence) < bound {
			t.Fatalf("one more bad object than %d of %d lowers %g", bad, drawn, bound)
		}
		if UpperBound(population, drawn+1, bad, confidence) > bound {
			t.Fatalf("one more good object than in %d of %d raises %g", bad, drawn, bound)
		}
		if UpperBound(population, drawn, bad, (1+confidence)/2) < bound {
			t.Fatalf("more confidence lowers %g", bound)
		}
	})
}

// TestBoundIsExact counts, in whole numbers, the samples with at most so few bad ones: too few of them when one object more is bad than the bound allows, and enough when it is not.
func TestBoundIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		population := rapid.Int64Range(1, 80).Draw(t, "population")
		drawn := rapid.Int64Range(0, population).Draw(t, "drawn")
		bad := rapid.Int64Range(0, drawn).Draw(t, "bad")
		confidence := rapid.Float64Range(0.5, 0.9999).Draw(t, "confidence")
		share := func(inAll int64) float64 {
			var few, term big.Int
			for i := range bad + 1 {
				if i <= inAll && drawn-i <= population-inAll {
					few.Add(&few, term.Mul(new(big.Int).Binomial(inAll, i), new(big.Int).Binomial(population-inAll, drawn-i)))
				}
			}
			p, _ := new(big.Rat).SetFrac(&few, new(big.Int).Binomial(population, drawn)).Float64()
			return p
		}
		most := int64(math.Round(UpperBound(population, drawn, bad, confidence) * float64(population)))
		if p := share(most); p <= (1-confidence)*(1-1e-9) {
			t.Fatalf("%d of %d objects bad is allowed: a draw of %d has at most %d of them with probability %g", most, population, drawn, bad, p)
		}
		if p := share(most + 1); most < population-(drawn-bad) && p > (1-confidence)*(1+1e-9) {
			t.Fatalf("%d of %d objects bad is ruled out: a draw of %d has at most %d of them with probability %g", most+1, population, drawn, bad, p)
		}
	})
}
