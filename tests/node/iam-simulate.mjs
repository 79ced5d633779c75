// Reads one JSON simulation per line on stdin and answers one word per line on stdout:
// "allowed", "denied", or "error: ..." where the evaluator refuses the question.
import { createInterface } from "node:readline";
import { runSimulation } from "@cloud-copilot/iam-simulate";

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const result = await runSimulation(JSON.parse(line), {});
    if (result.resultType !== "single") {
      answer = `error: ${JSON.stringify(result.errors ?? result.resultType)}`;
    } else if (result.result.ignoredContextKeys?.length) {
      // A key that is left out of the judgement would make the answer mean something else.
      answer = `error: ignored ${result.result.ignoredContextKeys.join(", ")}`;
    } else {
      answer = result.overallResult === "Allowed" ? "allowed" : "denied";
    }
  } catch (error) {
    answer = `error: ${String(error)}`;
  }
  process.stdout.write(answer.replaceAll("\n", " ") + "\n");
}
