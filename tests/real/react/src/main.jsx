import { lazy, Suspense } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter, Link, Route, Routes } from "react-router";
import { Order } from "./order.jsx";
import "./main.css";

const About = lazy(() => import("./about.jsx"));

createRoot(document.getElementById("root")).render(
  <BrowserRouter>
    <nav>
      <Link to="/orders/7">Order 7</Link> <Link to="/orders/8">Order 8</Link> <Link to="/about">About</Link>
    </nav>
    <Suspense>
      <Routes>
        <Route path="/" element={<h1>All orders</h1>} />
        <Route path="/orders/:number" element={<Order />} />
        <Route path="/about" element={<About />} />
        <Route path="*" element={<h1>No such page</h1>} />
      </Routes>
    </Suspense>
  </BrowserRouter>,
);
