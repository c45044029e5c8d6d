import com.fnproject.fn.api.InvocationContext;
import com.fnproject.fn.api.OutputEvent;
import com.fnproject.fn.api.RuntimeContext;
import com.fnproject.fn.api.httpgateway.HTTPGatewayContext;
import java.nio.charset.StandardCharsets;

public class Func {
    public static class Asked {
        public String act = "";
        public String name = "";
    }

    private final RuntimeContext fn;

    public Func(RuntimeContext fn) {
        this.fn = fn;
    }

    public OutputEvent handle(HTTPGatewayContext http, InvocationContext call, Asked asked) {
        switch (asked.act) {
            case "raise":
                throw new IllegalStateException("no luck");
            case "text":
                call.setResponseHeader("X-Answer", "yes");
                String word = call.getRequestHeaders().get("X-Word").orElse("");
                return answer("text/plain; charset=utf-8", "word: " + word);
            case "gateway":
                http.setStatusCode(203);
                http.setResponseHeader("X-Answer", "yes");
                String seen = http.getHeaders().get("X-Word").orElse("");
                return answer(
                        "application/json",
                        String.format(
                                "{\"method\": \"%s\", \"url\": \"%s\", \"word\": \"%s\"}",
                                http.getMethod(), http.getRequestURL(), seen));
            default:
                System.err.println("seen " + asked.name);
                String id = call.getRequestHeaders().get("Fn-Call-Id").orElse("");
                return answer(
                        "application/json",
                        String.format(
                                "{\"hello\": \"%s\", \"app\": \"%s\", \"fn\": \"%s\", \"call\": \"%s\"}",
                                asked.name, fn.getAppName(), fn.getFunctionName(), id));
        }
    }

    private static OutputEvent answer(String type, String text) {
        return OutputEvent.fromBytes(
                text.getBytes(StandardCharsets.UTF_8), OutputEvent.Status.Success, type);
    }
}
