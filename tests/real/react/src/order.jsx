import { useEffect, useState } from "react";
import { useParams } from "react-router";

export function Order() {
  const { number } = useParams();
  const [order, setOrder] = useState();
  useEffect(() => {
    const controller = new AbortController();
    fetch(`/api/orders/${number}/`, { signal: controller.signal })
      .then((answer) => answer.json())
      .then(setOrder, () => {});
    return () => controller.abort();
  }, [number]);
  return <h1>{order ? `${order.number}: ${order.item}` : "…"}</h1>;
}
