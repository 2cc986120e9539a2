import "./about.css";

export default function About() {
  return <h1>About the orders</h1>;
}
