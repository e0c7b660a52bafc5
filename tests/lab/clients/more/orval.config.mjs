// orval asks for a file of its own: one client with fetch, and the zod schemas of what it answers.
const input = process.env.CONTRACT;
const place = process.env.CLIENT;

export default {
  client: {
    input,
    output: {
      target: `${place}/client.ts`,
      client: "fetch",
      override: { mutator: { path: `${place}/http.ts`, name: "http" } },
    },
  },
  zod: { input, output: { target: `${place}/zod.ts`, client: "zod" } },
};
