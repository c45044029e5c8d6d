import static org.junit.Assert.assertNotNull;

import org.junit.Test;

/** Maven fetches what runs tests when there is one to run. */
public class FetchedTest {
    @Test
    public void theFdkIsThere() throws ClassNotFoundException {
        assertNotNull(Class.forName("com.fnproject.fn.runtime.EntryPoint"));
    }
}
