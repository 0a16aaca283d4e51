package verify

import "math"

// SampleSize is the smallest number of objects that, drawn at random and found without fault, bound the share of bad ones at maxBad with that confidence (both between 0 and 1), however many there are:
// were more of them bad, a sample without one would come up less often than 1-confidence. 299, 2,995 and 29,956 objects bound it at 1, 0.1 and 0.01 % with 95 %.
func SampleSize(confidence, maxBad float64) int {
	return int(math.Ceil(math.Log1p(-confidence) / math.Log1p(-maxBad)))
}

// UpperBound is the largest share of a population that can be bad, with that confidence, when bad of the objects of a random sample without replacement are: with any larger one, so few would be drawn
// less often than 1-confidence. It is the exact bound of the hypergeometric distribution, which in a large population is that of C. J. Clopper and E. S. Pearson (Biometrika 26, 1934) for the binomial one.
// When nothing was drawn, all may be bad: 1. When all was, it is what was found.
func UpperBound(population, drawn, bad int64, confidence float64) float64 {
	// The more are bad, the less likely are so few bad ones.
	low, high := bad, population-(drawn-bad) // the good ones that were drawn are good
	for low < high {
		if middle := low + (high-low+1)/2; atMost(bad, population, middle, drawn) > 1-confidence {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return float64(low) / float64(population)
}

// atMost is the probability of at most k bad ones in a draw of n from a population that has so many of them. The terms of the sum are kept as logarithms, which do not underflow.
func atMost(k, population, bad, n int64) (sum float64) {
	good := population - bad
	i := max(0, n-good)
	term := choose(bad, i) + choose(good, n-i) - choose(population, n)
	for ; i <= min(k, bad); i++ {
		sum += math.Exp(term)
		term += math.Log(float64(bad-i)) + math.Log(float64(n-i)) - math.Log(float64(i+1)) - math.Log(float64(good-n+i+1))
	}
	return sum
}

// choose is the logarithm of the number of ways to take k of n.
func choose(n, k int64) float64 {
	factorial := func(n int64) float64 {
		log, _ := math.Lgamma(float64(n) + 1)
		return log
	}
	return factorial(n) - factorial(k) - factorial(n-k)
}
