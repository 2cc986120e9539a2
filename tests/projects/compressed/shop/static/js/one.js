var basket = [];
function add(item) { basket.push(item); return basket.length; }
