const socket = new WebSocket(`ws://${location.host}/ws/room/`);
socket.onopen = () => socket.send(JSON.stringify({ text: "hello from the browser" }));
socket.onmessage = ({ data }) => { document.getElementById("heard").textContent = JSON.parse(data).text; };
