function total(prices) { return prices.reduce(function (sum, price) { return sum + price; }, 0); }
